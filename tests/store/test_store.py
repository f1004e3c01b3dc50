import hashlib
import os
import sqlite3
import stat
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from subprocess import run

import pytest

from fireside.errors import ConfigError, InvalidInput, StoreUnavailable
from fireside.store.store import CACHE_SECONDS, Store


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "fireside.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with Store(path) as store:
        yield store


def eventually(check: Callable[[], bool]) -> bool:
    """Whether `check()` comes to hold, given many times the time it should take."""
    for _ in range(200):
        if check():
            return True
        time.sleep(CACHE_SECONDS / 10)
    return False


def test_token_is_verified(store: Store) -> None:
    text, record = store.create_token("local", "laptop")
    grant = store.verify(text)
    assert grant is not None
    assert (grant.token_id, grant.account_id, grant.scopes) == (
        record.token_id,
        "local",
        frozenset({"run", "finetunes"}),
    )
    assert store.verify(text) == grant


def test_a_token_with_one_scope(store: Store) -> None:
    text, _ = store.create_token("local", "ci", ["run"])
    grant = store.verify(text)
    assert grant is not None
    assert grant.scopes == {"run"}


def test_tokens_have_256_random_bits_and_differ(store: Store) -> None:
    texts = [store.create_token("local", "t")[0] for _ in range(20)]
    secrets = {text.rsplit("_", 1)[1] for text in texts}
    assert len(secrets) == 20
    assert all(len(bytes.fromhex(secret)) == 32 for secret in secrets)


@pytest.mark.parametrize(
    "mangle",
    [
        lambda text: text[:-1] + ("0" if text[-1] != "0" else "1"),
        lambda text: text[:-1],
        lambda text: text + "0",
        lambda text: text + "\n",
        lambda text: text.upper(),
        lambda text: text.replace("fireside_", ""),
        lambda text: "fireside_" + "0" * 16 + text[25:],
        lambda text: "",
        lambda text: "é" + text[1:],
        lambda text: "\ud800" + text[1:],
        lambda text: text.replace(text[-1], "١"),
        lambda text: "x" * 1_000_000,
        lambda text: "fireside_%_" + "0" * 64,
        lambda text: text[:-10] + "' OR 1=1 --",
    ],
)
def test_anything_else_is_refused(store: Store, mangle: Callable[[str], str]) -> None:
    text, _ = store.create_token("local", "laptop")
    assert store.verify(mangle(text)) is None


def test_only_a_digest_is_stored(store: Store, path: Path) -> None:
    text, _ = store.create_token("local", "laptop")
    store.close()
    content = b"".join(file.read_bytes() for file in path.parent.iterdir())
    assert hashlib.sha256(text.encode()).digest() in content
    assert text.rsplit("_", 1)[1].encode() not in content


def test_revoked_token_fails_at_once_in_this_process(store: Store) -> None:
    text, record = store.create_token("local", "laptop")
    assert store.verify(text)
    assert store.revoke_token(record.token_id)
    assert store.verify(text) is None
    assert not store.revoke_token(record.token_id)
    assert not store.revoke_token("0" * 16)


def test_revocation_by_another_process_takes_effect(store: Store, path: Path) -> None:
    text, record = store.create_token("local", "laptop")
    assert store.verify(text)
    code = f"from pathlib import Path; from fireside.store.store import Store; store = Store(Path({str(path)!r}))"
    run([sys.executable, "-c", f"{code}; assert store.revoke_token({record.token_id!r})"], check=True)
    assert eventually(lambda: store.verify(text) is None)


def test_first_token_of_another_store_locks_this_one(store: Store, path: Path) -> None:
    assert not store.has_tokens()
    with Store(path) as other:
        other.create_token("local", "laptop")
    assert eventually(store.has_tokens)


def test_revoking_the_last_token_does_not_open_the_server(store: Store) -> None:
    assert not store.has_tokens()
    _, record = store.create_token("local", "laptop")
    assert store.has_tokens()
    store.revoke_token(record.token_id)
    assert store.has_tokens()


def test_list_tells_everything_but_the_secret(store: Store) -> None:
    text, record = store.create_token("local", "laptop")
    store.create_token("other", "ci", ["admin", "run"])
    store.revoke_token(record.token_id)
    listed = {item.name: item for item in store.list_tokens()}
    assert listed["laptop"].revoked_at is not None
    assert listed["ci"].revoked_at is None
    assert listed["ci"].scopes == {"run", "admin"}
    assert datetime.now(UTC) - listed["ci"].created_at < timedelta(minutes=1)
    assert text.rsplit("_", 1)[1] not in repr(listed)


@pytest.mark.parametrize("account", ["", "a/b", "../x", "a" * 65, "a b", "é", "a\n"])
def test_account_ids_are_plain(store: Store, account: str) -> None:
    with pytest.raises(InvalidInput, match="account: "):
        store.create_token(account, "laptop")
    assert store.list_tokens() == []


@pytest.mark.parametrize("name", ["", "a" * 201, "a\nb", "\x1b[31m"])
def test_names_are_printable(store: Store, name: str) -> None:
    with pytest.raises(InvalidInput, match="name: "):
        store.create_token("local", name)


def test_usage_sums_by_account_and_model(store: Store) -> None:
    store.record_usage("a", "@hf/x/y", 10, 1)
    store.record_usage("a", "@hf/x/y", 20, 2)
    store.record_usage("a", "@hf/x/z", 5, 5)
    store.record_usage("b", "@hf/x/y", 7, 7)
    first, second = store.usage("a")
    assert (first.model, first.requests, first.prompt_tokens, first.completion_tokens) == ("@hf/x/y", 2, 30, 3)
    assert (second.model, second.requests) == ("@hf/x/z", 1)
    assert len(store.usage()) == 3
    assert store.usage(since=datetime.now(UTC).date() + timedelta(days=2)) == []


def test_usage_of_many_threads_adds_up(store: Store, path: Path) -> None:
    with Store(path) as other:
        work = [
            threading.Thread(target=lambda s=s: [s.record_usage("a", "@hf/x/y", 1, 2) for _ in range(10)])
            for s in (store, other, store, other)
        ]
        for thread in work:
            thread.start()
        for thread in work:
            thread.join()
    (total,) = store.usage()
    assert (total.requests, total.prompt_tokens, total.completion_tokens) == (40, 40, 80)


def test_everything_is_there_after_reopening(path: Path) -> None:
    with Store(path) as store:
        text, _ = store.create_token("local", "laptop")
        store.record_usage("local", "@hf/x/y", 1, 2)
    with Store(path) as store:
        assert store.verify(text)
        assert len(store.usage()) == 1


@pytest.mark.skipif(os.name == "nt", reason="POSIX file modes")
def test_files_are_private_even_when_they_were_not(path: Path) -> None:
    path.parent.mkdir()
    path.touch(mode=0o644)
    with Store(path) as store:
        store.create_token("local", "laptop")
        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    assert set(modes.values()) == {0o600}
    assert "fireside.db-wal" in modes


def test_stores_that_start_together(path: Path) -> None:
    code = f"from pathlib import Path; from fireside.store.store import Store; Store(Path({str(path)!r})).has_tokens()"
    errors = []

    def start() -> None:
        result = run([sys.executable, "-c", code], capture_output=True, check=False)
        if result.returncode:
            errors.append(result.stderr)

    threads = [threading.Thread(target=start) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def test_newer_database_is_refused_untouched(path: Path) -> None:
    Store(path).close()
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 999")
    database.close()
    with pytest.raises(ConfigError, match=r"fireside\.db was made by a newer Fireside \(its version is 999"):
        Store(path)


def test_not_a_database(tmp_path: Path) -> None:
    path = tmp_path / "fireside.db"
    path.write_text(
        "This is not a database, but a text of more than a hundred bytes, as anyone who reads it can see. " * 10
    )
    with pytest.raises(ConfigError, match=r"fireside\.db cannot be opened: file is not a database"):
        Store(path)


def test_place_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="cannot be opened"):
        Store(tmp_path / "file" / "fireside.db")


def test_wrong_url_does_not_show_its_password() -> None:
    with pytest.raises(ConfigError) as caught:
        Store("nosuch://me:hunter2@host/db")
    assert "hunter2" not in str(caught.value)


def test_database_that_is_lost_later(store: Store, path: Path) -> None:
    text, _ = store.create_token("local", "laptop")
    with sqlite3.connect(path) as database:
        database.execute("DROP TABLE tokens")
    database.close()
    with pytest.raises(StoreUnavailable, match="does not answer"):
        store.verify(text)
