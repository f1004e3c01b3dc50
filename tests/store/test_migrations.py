"""Databases of every age come to the newest form with what they hold."""

import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

from fireside.errors import ConfigError, FineTuneQuota
from fireside.store.database import open_database
from fireside.store.schema import VERSION, metadata
from fireside.store.store import Store

FIRST_FIRESIDE = """
CREATE TABLE accounts (id VARCHAR(64) NOT NULL, created_at BIGINT NOT NULL, PRIMARY KEY (id));
CREATE TABLE tokens (id VARCHAR(16) NOT NULL, account_id VARCHAR(64) NOT NULL, name VARCHAR(200) NOT NULL,
  digest BLOB NOT NULL, can_write BOOLEAN NOT NULL, created_at BIGINT NOT NULL, revoked_at BIGINT,
  PRIMARY KEY (id), FOREIGN KEY(account_id) REFERENCES accounts (id));
CREATE INDEX ix_tokens_account_id ON tokens (account_id);
CREATE TABLE usage (account_id VARCHAR(64) NOT NULL, model VARCHAR(200) NOT NULL, day VARCHAR(10) NOT NULL,
  requests BIGINT NOT NULL, prompt_tokens BIGINT NOT NULL, completion_tokens BIGINT NOT NULL,
  PRIMARY KEY (account_id, model, day), FOREIGN KEY(account_id) REFERENCES accounts (id));
INSERT INTO accounts VALUES ('old', 1700000000);
INSERT INTO tokens VALUES ('0123456789abcdef', 'old', 'laptop', zeroblob(32), 1, 1700000000, NULL);
INSERT INTO tokens VALUES ('0123456789abcde0', 'old', 'reader', zeroblob(32), 0, 1700000001, NULL);
INSERT INTO usage VALUES ('old', 'm', '2026-01-01', 1, 2, 3);
PRAGMA user_version = 1;
"""


def differences(place: Path | str) -> list[object]:
    engine = open_database(place)
    try:
        with engine.connect() as connection:
            return list(compare_metadata(MigrationContext.configure(connection), metadata))
    finally:
        engine.dispose()


def test_the_migrations_make_what_the_schema_says(tmp_path: Path) -> None:
    assert differences(tmp_path / "new.db") == []


def test_the_first_firesides_database_is_upgraded_in_place(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    with sqlite3.connect(path) as old:
        old.executescript(FIRST_FIRESIDE)
    old.close()
    with Store(path) as store:
        found = [(record.name, record.account_id, record.scopes) for record in store.list_tokens()]
        assert found == [("laptop", "old", frozenset({"run", "finetunes"})), ("reader", "old", frozenset({"run"}))]
        assert [record.completion_tokens for record in store.usage()] == [3]
        assert store.finetunes.of_account("old") == []
    assert differences(path) == []
    database = sqlite3.connect(path)
    assert database.execute("PRAGMA user_version").fetchone() == (VERSION,)
    assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    database.close()


SECOND_FIRESIDE = """
CREATE TABLE finetunes (id VARCHAR(36) NOT NULL, account_id VARCHAR(64) NOT NULL, model VARCHAR(200) NOT NULL,
  name VARCHAR(100) NOT NULL, description VARCHAR(1000) NOT NULL, public BOOLEAN NOT NULL, created_at BIGINT NOT NULL,
  modified_at BIGINT NOT NULL, problem TEXT NOT NULL, version VARCHAR(32), PRIMARY KEY (id),
  FOREIGN KEY(account_id) REFERENCES accounts (id), CONSTRAINT uq_finetunes_account_id_name UNIQUE (account_id, name));
CREATE INDEX ix_finetunes_public ON finetunes (public);
CREATE TABLE finetune_files (blob_id VARCHAR(32) NOT NULL, finetune_id VARCHAR(36) NOT NULL,
  file_name VARCHAR(40) NOT NULL, size BIGINT NOT NULL, sha256 VARCHAR(64) NOT NULL, uploaded_at BIGINT NOT NULL,
  version VARCHAR(32), dropped_at BIGINT, PRIMARY KEY (blob_id));
CREATE INDEX ix_finetune_files_finetune_id ON finetune_files (finetune_id);
CREATE INDEX ix_finetune_files_version ON finetune_files (version);
CREATE INDEX ix_finetune_files_dropped_at ON finetune_files (dropped_at);
INSERT INTO finetunes VALUES ('f', 'old', 'm', 'mine', '', 0, 1, 1, '', 'v');
INSERT INTO finetune_files VALUES ('b1', 'f', 'adapter_config.json', 5, 's1', 1, 'v', NULL);
INSERT INTO finetune_files VALUES ('b2', 'f', 'adapter_model.safetensors', 7, 's2', 1, 'v', NULL);
INSERT INTO finetune_files VALUES ('b3', 'f', 'adapter_model.safetensors', 9, 's3', 1, NULL, 1);
INSERT INTO finetune_files VALUES ('b4', 'gone', 'adapter_config.json', 9, 's4', 1, 'w', 1);
CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL);
INSERT INTO alembic_version VALUES ('0002');
PRAGMA user_version = 2;
"""


def test_fine_tunes_of_the_second_fireside_answer_on(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    with sqlite3.connect(path) as old:
        old.executescript(FIRST_FIRESIDE + SECOND_FIRESIDE)
    old.close()
    with Store(path) as store:
        found = store.finetunes.find("old", "mine")
        assert found is not None
        assert [(file.blob_id, file.version) for file in found.files] == [("b1", "v"), ("b2", "v")]
        assert found.waiting == ()
        assert store.finetunes.used_bytes("old") == 21
        gone = store.finetunes.dropped(datetime.now(UTC) - timedelta(days=1))
        assert sorted(file.blob_id for file in gone) == ["b3", "b4"]
    assert differences(path) == []


def test_an_upgrade_that_fails_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "odd.db"
    with sqlite3.connect(path) as old:
        old.executescript(FIRST_FIRESIDE + "CREATE TABLE finetune_files (mine TEXT);")
    old.close()
    with pytest.raises(ConfigError, match="finetune_files"):
        Store(path)
    database = sqlite3.connect(path)
    names = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert names == {"accounts", "tokens", "usage", "finetune_files"}
    assert database.execute("PRAGMA user_version").fetchone() == (1,)
    database.close()


def test_stores_that_open_together(tmp_path: Path) -> None:
    def use(number: int) -> int:
        with Store(tmp_path / "shared.db") as store:
            return len(store.finetunes.of_account(str(number)))

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(use, range(8))) == [0] * 8


@pytest.mark.parametrize("url", ["mysql://u:secret@h/d", "nonsense", "oracle://u:secret@h/d"])
def test_other_databases_are_refused(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Store(url)
    assert "secret" not in str(caught.value)


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A PostgreSQL server of this test's own, on a Unix socket; its URL."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    initdb = shutil.which("initdb") or (found and str(found[-1]))
    if not initdb:
        pytest.skip("needs PostgreSQL's server programs (Debian: postgresql)")
    folder = tmp_path_factory.mktemp("pg")
    programs = Path(initdb).resolve().parent
    run = _as_other_user(folder)
    subprocess.run(
        [*run, str(programs / "initdb"), "-D", str(folder / "data"), "-A", "trust", "-U", "fireside", "--no-sync"],
        check=True, capture_output=True, cwd=folder,
    )  # fmt: skip
    start = ["-D", str(folder / "data"), "-k", str(folder), "-c", "listen_addresses=", "-F"]
    with subprocess.Popen([*run, str(programs / "postgres"), *start], stderr=subprocess.PIPE, cwd=folder) as server:
        assert server.stderr is not None
        for line in server.stderr:
            if b"ready to accept connections" in line:
                break
        try:
            yield f"postgresql://fireside@/postgres?host={folder}"
        finally:
            server.terminate()
            server.communicate()


def _as_other_user(folder: Path) -> list[str]:
    """PostgreSQL refuses to run as root, as tests in a container often do."""
    import os
    import pwd

    if os.geteuid() != 0:
        return []
    setpriv, nobody = shutil.which("setpriv"), pwd.getpwnam("nobody")
    if not setpriv:
        pytest.skip("needs setpriv to run PostgreSQL as another user than root")
    for part in (folder, *folder.parents):
        if part.name.startswith(("pytest-", "pg")):
            part.chmod(0o755)
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    return [setpriv, f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups"]


def test_postgresql_does_all_that_sqlite_does(postgres: str) -> None:
    assert differences(postgres) == []
    with Store(postgres) as store:
        text_, _ = store.create_token("a", "t")
        assert store.verify(text_) is not None
        for _ in range(2):
            store.record_usage("a", "m", 1, 2)
        assert [record.requests for record in store.usage("a")] == [2]
        table = store.finetunes
        made = table.create("a", model="m", name="n", description="", public=False, limit=5)
        files = []
        for name, size in (("adapter_config.json", 60), ("x", 30)):
            file, is_there = table.reserve(made, name, size=size, sha256=name, limit=100)
            assert not is_there
            assert table.keep(made.id, file.id)
            files.append(file)
        with pytest.raises(FineTuneQuota):
            table.reserve(made, "y", size=11, sha256="y", limit=100)
        twin, is_there = table.reserve(made, "x", size=30, sha256="x", limit=90)
        assert (twin.blob_id, is_there) == (files[1].blob_id, True)
        table.discard([twin.id])
        assert table.dropped(datetime.now(UTC) - timedelta(days=1)) == [], "its blob is another's, too"
        ids = [file.id for file in files]
        assert table.activate(made.id, ids, "v1")
        assert not table.activate(made.id, ids, "v2")
        found = table.find("a", "n")
        assert found is not None
        assert (found.version, len(found.files)) == ("v1", 2)
        assert table.find("b", "n") is None
        assert table.delete(made.id)
        assert table.versions() == set()
        gone = table.dropped(datetime.now(UTC) - timedelta(days=1))
        assert sorted(file.id for file in gone) == sorted(ids)
        table.forget(ids)
        assert table.used_bytes("a") == 0

    def create(number: int) -> bool:
        with Store(postgres) as store:
            try:
                store.finetunes.create("a", model="m", name="same", description="", public=False, limit=5)
            except Exception:
                return False
            return True

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(create, range(6))) == 1


def test_a_newer_postgresql_database_is_refused(postgres: str) -> None:
    engine = open_database(postgres)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0999'"))
    try:
        with pytest.raises(ConfigError, match="made by a newer Fireside"):
            Store(postgres)
    finally:
        with engine.begin() as connection:
            connection.execute(text(f"UPDATE alembic_version SET version_num = '{VERSION:04}'"))
        engine.dispose()
