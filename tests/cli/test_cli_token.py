import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from fireside.store.store import Store

Fireside = Callable[..., Result]


def test_round_trip(fireside: Fireside, data_dir: Path) -> None:
    assert "token create" in fireside("token", "list").stderr
    made = fireside("token", "create", "--account", "team", "--name", "my laptop", "--scopes", "admin,run")
    token = made.stdout.strip()
    token_id = token.split("_")[1]
    assert "every request needs a token" in made.stderr
    with Store(data_dir / "fireside.db") as store:
        grant = store.verify(token)
        assert grant is not None
        assert (grant.account_id, grant.scopes) == ("team", frozenset({"run", "admin"}))
    listed = fireside("token", "list").stdout
    assert re.search(rf"^{token_id}  team +my laptop  run,admin +\d{{4}}-\d\d-\d\d \d\d:\d\dZ  -", listed, re.MULTILINE)
    assert token not in listed
    assert "every request" not in fireside("token", "create").stderr
    assert fireside("token", "revoke", token_id).stdout == f"Revoked {token_id}.\n"
    with Store(data_dir / "fireside.db") as store:
        assert store.verify(token) is None
    again = fireside("token", "revoke", token)
    assert (again.exit_code, again.stdout) == (1, "")
    assert token_id in again.stderr
    assert token not in again.stderr


@pytest.mark.parametrize(
    ("option", "value", "problem"),
    [
        ("--account", "no/slashes", "account: must have 1 to 64"),
        ("--scopes", "run,root", "scopes: must be some of run, finetunes, admin"),
        ("--scopes", "", "scopes: must be some of"),
    ],
)
def test_bad_options(fireside: Fireside, option: str, value: str, problem: str) -> None:
    result = fireside("token", "create", option, value)
    assert result.exit_code == 1
    assert result.stderr.startswith(f"Error: {problem}")


@pytest.mark.parametrize("content", [b"this is not a database" * 100])
def test_a_damaged_database(fireside: Fireside, data_dir: Path, content: bytes) -> None:
    data_dir.mkdir()
    (data_dir / "fireside.db").write_bytes(content)
    result = fireside("token", "list")
    assert result.exit_code == 1
    assert "fireside.db cannot be opened" in result.stderr


def test_a_token_is_revoked_by_the_beginning_of_its_id(fireside: Fireside, data_dir: Path) -> None:
    tokens = [fireside("token", "create", "--name", str(number)).stdout.strip() for number in range(17)]
    ids = [token.split("_")[1] for token in tokens]
    with Store(data_dir / "fireside.db") as store:
        for wrong in ("", "zz", ids[0] + "0"):
            assert fireside("token", "revoke", wrong).exit_code == 1
        shared = next(first for first in "0123456789abcdef" if sum(one.startswith(first) for one in ids) > 1)
        assert "active tokens" in fireside("token", "revoke", shared).stderr  # 17 ids, 16 first characters
        assert all(store.verify(token) for token in tokens)
        assert fireside("token", "revoke", ids[0][:12]).stdout == f"Revoked {ids[0]}.\n"
    with Store(data_dir / "fireside.db") as store:
        assert store.verify(tokens[0]) is None
        assert all(store.verify(token) for token in tokens[1:])


def test_the_data_folder_is_private(fireside: Fireside, data_dir: Path) -> None:
    fireside("token", "create")
    if sys.platform != "win32":
        assert data_dir.stat().st_mode & 0o077 == 0
