"""Fine-tunes and their files as they are read from the database."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, select

from fireside.store.rows import to_time
from fireside.store.schema import finetune_files as files
from fireside.store.schema import finetunes


@dataclass(frozen=True, slots=True)
class FileRecord:
    """One uploaded file.

    Args:
        blob_id: where its bytes are; files of one account with the same content share it.
        size: bytes.
        version: the version that it is part of; None while it waits.
    """

    id: str
    blob_id: str
    name: str
    size: int
    sha256: str
    version: str | None


@dataclass(frozen=True, slots=True)
class FineTune:
    """A fine-tune as it is in the database. Times are UTC.

    Args:
        problem: what is wrong with the files that wait, or with the last upload; empty when nothing is.
        version: id of the version that answers; None until both files were there and sound.
        files: of that version.
        waiting: uploaded for the next version.
    """

    id: str
    account_id: str
    model: str
    name: str
    description: str
    public: bool
    created_at: datetime
    modified_at: datetime
    problem: str
    version: str | None
    files: tuple[FileRecord, ...]
    waiting: tuple[FileRecord, ...]


def read_finetunes(connection: Connection, query: Select[Any]) -> list[FineTune]:
    """The fine-tunes of a query over their table, oldest first, with the files that are kept."""
    rows = connection.execute(query.order_by(finetunes.c.created_at, finetunes.c.name, finetunes.c.id)).all()
    wanted = select(files).where(files.c.finetune_id.in_([row.id for row in rows]), files.c.state == "kept")
    found: dict[str, list[FileRecord]] = {row.id: [] for row in rows}
    for row in connection.execute(wanted.order_by(files.c.file_name)):
        found[row.finetune_id].append(file_record(row))
    return [_record(row, found[row.id]) for row in rows]


def _record(row: Row[Any], found: list[FileRecord]) -> FineTune:
    return FineTune(
        id=row.id,
        account_id=row.account_id,
        model=row.model,
        name=row.name,
        description=row.description,
        public=row.public,
        created_at=to_time(row.created_at),
        modified_at=to_time(row.modified_at),
        problem=row.problem,
        version=row.version,
        files=tuple(file for file in found if file.version is not None),
        waiting=tuple(file for file in found if file.version is None),
    )


def file_record(row: Row[Any]) -> FileRecord:
    """One file's row."""
    return FileRecord(row.id, row.blob_id, row.file_name, row.size, row.sha256, row.version)
