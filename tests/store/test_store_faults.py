"""The database locked, full, and its process killed: a clean error, and nothing half written."""

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from fireside.errors import ConfigError, StoreUnavailable
from fireside.store import database
from fireside.store.store import Store


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "fireside.db"


def test_a_locked_database_refuses_writes_and_goes_on_reading(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "BUSY_SECONDS", 0)
    with Store(path) as store:
        text, record = store.create_token("local", "laptop")
        locker = sqlite3.connect(path, isolation_level=None)
        locker.execute("BEGIN IMMEDIATE")
        for write in (
            lambda: store.record_usage("local", "@hf/x/y", 1, 2),
            lambda: store.create_token("local", "other"),
            lambda: store.revoke_token(record.token_id),
        ):
            with pytest.raises(StoreUnavailable, match="does not answer"):
                write()
        assert store.verify(text) is not None
        assert store.usage() == []
        locker.execute("ROLLBACK")
        locker.close()
        store.record_usage("local", "@hf/x/y", 1, 2)
        assert len(store.usage()) == 1
        assert len(store.list_tokens()) == 1


def test_a_full_disk_refuses_writes_and_loses_nothing(path: Path) -> None:
    with Store(path) as store:
        text, _ = store.create_token("local", "laptop")
        with store._engine.connect() as connection:
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
            connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")  # the pool hands out this connection again
        with pytest.raises(StoreUnavailable):
            _fill(store)
        assert store.verify(text) is not None
        written = len(store.usage())
    with Store(path) as store:
        assert len(store.usage()) == written
        store.record_usage("local", "@hf/x/y", 1, 1)


def _fill(store: Store) -> None:
    for number in range(10_000):
        store.record_usage("local", f"@hf/x/{number}", 1, 1)


WRITER = """
import sys
from pathlib import Path
from fireside.store.store import Store

with Store(Path(sys.argv[1])) as store:
    for number in range(1_000_000):
        store.record_usage("local", f"@hf/x/{number % 50}", 1, 2)
        store.create_token("local", f"token {number}")
        print(number, flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
@pytest.mark.parametrize("lines", [1, 10, 40])
def test_what_was_written_survives_kill_9(path: Path, lines: int) -> None:
    with subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE) as process:
        assert process.stdout
        for _ in range(lines):
            assert process.stdout.readline()
        os.kill(process.pid, signal.SIGKILL)
        told = lines + process.stdout.read().count(b"\n")
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()
    with Store(path) as store:
        requests = sum(record.requests for record in store.usage())
        # The last pair may have been written, in whole or by half, with nobody told of it.
        assert told <= len(store.list_tokens()) <= requests <= told + 1
        store.record_usage("local", "@hf/x/y", 1, 1)


def test_a_missing_driver_is_told_with_what_to_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(ConfigError, match=r"make extras\. Or: pip install '\.\[postgres\]'"):
        Store("postgresql://user:secret@127.0.0.1/name")
