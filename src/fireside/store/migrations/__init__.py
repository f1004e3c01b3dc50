"""Alembic migrations: one file in `versions` for each change of the tables, numbered from 0001.

A new one: write `versions/NNNN_what.py`, and bring `fireside.store.schema` and its VERSION to the same state; a test
compares the two.
"""

import threading
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, inspect

_alembic = threading.Lock()
"""Alembic keeps the migration that runs in a global."""


def upgrade(connection: Connection, version: int) -> None:
    """Run every migration after `version` within the connection's transaction.

    Args:
        version: number of the last migration that ran; the first Fireside knew 1 without Alembic.
    """
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    with _alembic:
        if version and not inspect(connection).has_table("alembic_version"):
            command.stamp(config, f"{version:04}")
        command.upgrade(config, "head")
