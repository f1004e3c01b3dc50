"""Opens the database: SQLite in a private file by default, or any SQLAlchemy URL."""

import os
import sqlite3
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from fireside.errors import ConfigError
from fireside.store import schema

BUSY_SECONDS = 5


def open_database(place: Path | str) -> Engine:
    """Open, creating what is missing.

    Args:
        place: path of an SQLite file, or an SQLAlchemy URL.

    Raises ConfigError when it cannot be opened, is no database, or was made by a newer Fireside.
    """
    try:
        url = make_url(place) if isinstance(place, str) else URL.create("sqlite", database=str(place))
        if url.get_backend_name() == "sqlite" and url.database and url.database != ":memory:":
            _make_private(Path(url.database))
        engine = create_engine(url)
    except (ArgumentError, OSError) as error:
        raise ConfigError(f"The database {_shown(place)} cannot be opened: {error}") from error
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
    try:
        with engine.begin() as connection:
            _create_tables(connection, place)
    except DBAPIError as error:
        engine.dispose()
        raise ConfigError(f"The database {_shown(place)} cannot be opened: {error.orig}") from error
    except ConfigError:
        engine.dispose()
        raise
    return engine


def _make_private(path: Path) -> None:
    """Only its owner may read the file; SQLite gives its WAL files the same mode."""
    path.parent.mkdir(parents=True, exist_ok=True)
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


def _create_tables(connection: Connection, place: Path | str) -> None:
    if connection.dialect.name != "sqlite":
        schema.metadata.create_all(connection)
        return
    # The write lock first, so that two processes that start together do not both create the tables.
    connection.execute(text("BEGIN IMMEDIATE"))
    version = connection.execute(text("PRAGMA user_version")).scalar_one()
    if version > schema.VERSION:
        raise ConfigError(
            f"The database {_shown(place)} was made by a newer Fireside (its version is {version}, this one knows "
            f"{schema.VERSION}). Update Fireside, or use another data folder."
        )
    schema.metadata.create_all(connection)
    connection.execute(text(f"PRAGMA user_version = {schema.VERSION}"))


def _shown(place: Path | str) -> str:
    if isinstance(place, Path):
        return str(place)
    try:
        return make_url(place).render_as_string(hide_password=True)
    except ArgumentError:
        return "URL"
