"""Opens the database: SQLite in a private file by default, or PostgreSQL by its URL."""

import os
import sqlite3
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from fireside.errors import ConfigError, missing_extra
from fireside.store import schema

BUSY_SECONDS = 5
_UPGRADE_LOCK = 0x66697265  # any number that nobody else in the database uses


def open_database(place: Path | str) -> Engine:
    """Open, creating what is missing.

    Args:
        place: path of an SQLite file, or a URL: sqlite:///…, postgresql://…

    Raises ConfigError when it cannot be opened, is not a database, or was made by a newer Fireside.
    """
    try:
        url = _url(place) if isinstance(place, str) else URL.create("sqlite", database=str(place))
        if url.get_backend_name() == "sqlite" and url.database and url.database != ":memory:":
            _make_private(Path(url.database))
        # A server of its own may be restarted: then old connections are found dead before they are used.
        engine = create_engine(url, pool_pre_ping=url.get_backend_name() != "sqlite")
    except ImportError as error:
        raise missing_extra("PostgreSQL (FIRESIDE_DATABASE_URL)", "postgres") from error
    except (ArgumentError, OSError) as error:
        raise ConfigError(f"The database {_shown(place)} cannot be opened: {error}") from error
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
    try:
        with engine.begin() as connection:
            _upgrade(connection, place)
    except DBAPIError as error:
        engine.dispose()
        raise ConfigError(f"The database {_shown(place)} cannot be opened: {error.orig}") from error
    except ConfigError:
        engine.dispose()
        raise
    return engine


def _url(place: str) -> URL:
    url = make_url(place)
    if url.drivername in ("postgres", "postgresql"):
        return url.set(drivername="postgresql+psycopg")
    if url.get_backend_name() not in ("sqlite", "postgresql"):
        raise ConfigError(f"The database {_shown(place)} is neither SQLite nor PostgreSQL.")
    return url


def _make_private(path: Path) -> None:
    """Only its owner may read the file; SQLite gives its WAL files the same mode."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    path.chmod(0o600)


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    cursor = connection.cursor()
    # busy_timeout first: switching to WAL needs the lock that another starting process may hold.
    cursor.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}")
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = NORMAL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _upgrade(connection: Connection, place: Path | str) -> None:
    """Bring the tables to their newest form, or make them. Processes that start together do it one after the other."""
    if connection.dialect.name == "sqlite":
        connection.execute(text("BEGIN IMMEDIATE"))
        version = connection.execute(text("PRAGMA user_version")).scalar_one()
    else:
        connection.execute(text(f"SELECT pg_advisory_xact_lock({_UPGRADE_LOCK})"))
        version = _recorded_version(connection)
    if version > schema.VERSION:
        raise ConfigError(
            f"The database {_shown(place)} was made by a newer Fireside (its version is {version}, this one knows "
            f"{schema.VERSION}). Update Fireside, or use another data folder."
        )
    if version == schema.VERSION:
        return
    from fireside.store.migrations import upgrade  # slow to import, and seldom needed

    upgrade(connection, version)
    if connection.dialect.name == "sqlite":
        connection.execute(text(f"PRAGMA user_version = {schema.VERSION}"))


def _recorded_version(connection: Connection) -> int:
    """The number of the last migration; 0 for an empty database."""
    if not inspect(connection).has_table("alembic_version"):
        return 0
    return int(connection.execute(text("SELECT version_num FROM alembic_version")).scalar() or 0)


def _shown(place: Path | str) -> str:
    if isinstance(place, Path):
        return str(place)
    try:
        return make_url(place).render_as_string(hide_password=True)
    except ArgumentError:
        return "URL"
