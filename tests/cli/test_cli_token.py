import re
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from fireside.store.store import Store

Fireside = Callable[..., Result]


def test_round_trip(fireside: Fireside, data_dir: Path) -> None:
    assert "token create" in fireside("token", "list").stderr
    made = fireside("token", "create", "--account", "team", "--name", "my laptop", "--read-only")
    token = made.stdout.strip()
    token_id = token.split("_")[1]
    assert "every request needs a token" in made.stderr
    with Store(data_dir / "fireside.db") as store:
        grant = store.verify(token)
        assert grant is not None
        assert (grant.account_id, grant.can_write) == ("team", False)
    listed = fireside("token", "list").stdout
    assert re.search(rf"^{token_id}  team +my laptop  read +\d{{4}}-\d\d-\d\d \d\d:\d\dZ  -", listed, re.MULTILINE)
    assert token not in listed
    assert "every request" not in fireside("token", "create").stderr
    assert fireside("token", "revoke", token_id).stdout == f"Revoked {token_id}.\n"
    with Store(data_dir / "fireside.db") as store:
        assert store.verify(token) is None
    again = fireside("token", "revoke", token)
    assert (again.exit_code, again.stdout) == (1, "")
    assert token_id in again.stderr
    assert token not in again.stderr


def test_a_bad_account(fireside: Fireside) -> None:
    result = fireside("token", "create", "--account", "no/slashes")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: account: must have 1 to 64")


@pytest.mark.parametrize("content", [b"this is no database" * 100])
def test_a_damaged_database(fireside: Fireside, data_dir: Path, content: bytes) -> None:
    data_dir.mkdir()
    (data_dir / "fireside.db").write_bytes(content)
    result = fireside("token", "list")
    assert result.exit_code == 1
    assert "fireside.db cannot be opened" in result.stderr
