"""What the database knows of fine-tunes. Their files lie elsewhere; a row names each by its blob's id.

A file's row goes through these states:

- reserved: `dropped_at` set, no version. Its bytes may be on their way; if the process dies, the sweep finds them.
- waiting: no `dropped_at`, no version. It waits for the other file of the next version.
- in use: `version` is the fine-tune's.
- dropped: `dropped_at` set again. Requests that began before may still use it, so it is removed some time later.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, Row, Select, and_, case, delete, func, insert, literal, or_, select, update
from sqlalchemy.exc import IntegrityError

from fireside.errors import FineTuneExists, TooManyFineTunes
from fireside.store.rows import ensure_account, now, to_time
from fireside.store.schema import finetune_files as files
from fireside.store.schema import finetunes

WAITING_SECONDS = 3600
"""For so long a file of a new version waits for the other one, while the version before answers."""


@dataclass(frozen=True, slots=True)
class FileRecord:
    """One uploaded file.

    Args:
        size: bytes.
        version: the version that it is part of; None while it waits.
    """

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


class FineTuneTable:
    """Part of `Store`: every method raises StoreUnavailable when the database fails."""

    def __init__(self, begin: Callable[[], AbstractContextManager[Connection]]) -> None:
        self._begin = begin

    def create(self, account_id: str, *, model: str, name: str, description: str, public: bool, limit: int) -> FineTune:
        """Add one without files. Raises FineTuneExists, TooManyFineTunes when the account has `limit` already."""
        created_at = now()
        row = {
            "id": str(uuid4()),
            "account_id": account_id,
            "model": model,
            "name": name,
            "description": description,
            "public": public,
            "created_at": created_at,
            "modified_at": created_at,
            "problem": "",
            "version": None,
        }
        with self._begin() as connection:
            ensure_account(connection, account_id)
            count = select(func.count()).select_from(finetunes).where(finetunes.c.account_id == account_id)
            if connection.execute(count).scalar_one() >= limit:
                raise TooManyFineTunes(f"This account has {limit} fine-tunes, the most it may. Delete one first.")
            try:
                with connection.begin_nested():
                    connection.execute(insert(finetunes).values(row))
            except IntegrityError:
                raise FineTuneExists(
                    f"This account has a fine-tune named {name!r} already. To replace its adapter, upload the two "
                    "files to it again; else choose another name, or delete it."
                ) from None
            [made] = _read(connection, select(finetunes).where(finetunes.c.id == row["id"]))
        return made

    def of_account(self, account_id: str) -> list[FineTune]:
        """The account's own, oldest first."""
        with self._begin() as connection:
            return _read(connection, select(finetunes).where(finetunes.c.account_id == account_id))

    def public(self) -> list[FineTune]:
        """Those of all accounts that everybody may read, oldest first."""
        with self._begin() as connection:
            return _read(connection, select(finetunes).where(finetunes.c.public))

    def find(self, account_id: str, reference: str) -> FineTune | None:
        """The one that the account means: its own by id, its own by name, a public one by id or as `account/name`."""
        own = finetunes.c.account_id == account_id
        by_id = finetunes.c.id == reference
        by_name = and_(own, finetunes.c.name == reference)
        owner, _, name = reference.partition("/")
        of_other = and_(finetunes.c.public, finetunes.c.account_id == owner, finetunes.c.name == name)
        query = (
            select(finetunes)
            .where(or_(and_(by_id, or_(own, finetunes.c.public)), by_name, of_other))
            .order_by(case((own, 0), else_=1), case((by_id, 0), else_=1))
            .limit(1)
        )
        with self._begin() as connection:
            return next(iter(_read(connection, query)), None)

    def delete(self, finetune_id: str) -> bool:
        """Take it away at once; its files go later. False when it is gone already."""
        with self._begin() as connection:
            gone = connection.execute(delete(finetunes).where(finetunes.c.id == finetune_id)).rowcount == 1
            _drop(connection, files.c.finetune_id == finetune_id)
        return gone

    def reserve(self, finetune_id: str, name: str, size: int, sha256: str) -> str:
        """The id for a blob that is about to be stored."""
        blob_id = uuid4().hex
        with self._begin() as connection:
            connection.execute(
                insert(files).values(
                    blob_id=blob_id,
                    finetune_id=finetune_id,
                    file_name=name,
                    size=size,
                    sha256=sha256,
                    uploaded_at=now(),
                    version=None,
                    dropped_at=now(),
                )
            )
        return blob_id

    def keep(self, finetune_id: str, blob_id: str) -> FineTune | None:
        """The blob is stored: it waits now for the other file. None when the fine-tune is gone.

        What waited before is dropped where it belongs to another pair: a file of the same name, two files (whose upload
        broke off at its end), and, when a version answers already, one that is older than WAITING_SECONDS.
        """
        with self._begin() as connection:
            name = select(files.c.file_name).where(files.c.blob_id == blob_id).scalar_subquery()
            # What was wrong with the other file still is.
            problem = case((finetunes.c.problem.startswith(name), ""), else_=finetunes.c.problem)
            if not _touch(connection, finetune_id, problem=problem):
                return None
            waiting = (files.c.finetune_id == finetune_id, files.c.version.is_(None), files.c.dropped_at.is_(None))
            count = connection.execute(select(func.count()).select_from(files).where(*waiting)).scalar_one()
            answers = select(finetunes.c.version.is_not(None)).where(finetunes.c.id == finetune_id).scalar_subquery()
            stale = and_(answers, files.c.uploaded_at < now() - WAITING_SECONDS)
            _drop(connection, *waiting, or_(files.c.file_name == name, stale, literal(count > 1)))
            connection.execute(update(files).where(files.c.blob_id == blob_id).values(dropped_at=None))
            [kept] = _read(connection, select(finetunes).where(finetunes.c.id == finetune_id))
        return kept

    def activate(self, finetune_id: str, blob_ids: Sequence[str], version: str) -> bool:
        """Make the waiting files the version that answers. False when they wait no longer: another was faster."""
        waiting = (files.c.blob_id.in_(blob_ids), files.c.version.is_(None), files.c.dropped_at.is_(None))
        with self._begin() as connection:
            if not _touch(connection, finetune_id, problem=""):
                return False
            count = select(func.count()).select_from(files).where(*waiting)
            if connection.execute(count).scalar_one() != len(blob_ids):
                return False
            _drop(connection, files.c.finetune_id == finetune_id, files.c.version.is_not(None))
            connection.execute(update(files).where(*waiting).values(version=version))
            _touch(connection, finetune_id, version=version)
        return True

    def discard(self, blob_ids: Sequence[str]) -> None:
        """Drop files that wait."""
        with self._begin() as connection:
            _drop(connection, files.c.blob_id.in_(blob_ids), files.c.version.is_(None))

    def set_problem(self, finetune_id: str, problem: str) -> None:
        """Note what is wrong."""
        with self._begin() as connection:
            _touch(connection, finetune_id, problem=problem)

    def dropped(self, before: datetime) -> list[FileRecord]:
        """Files that nothing has used since then."""
        with self._begin() as connection:
            rows = connection.execute(select(files).where(files.c.dropped_at < int(before.timestamp()))).all()
        return [_file(row) for row in rows]

    def forget(self, blob_ids: Iterable[str]) -> None:
        """Their blobs are gone."""
        with self._begin() as connection:
            connection.execute(delete(files).where(files.c.blob_id.in_(list(blob_ids))))

    def versions(self) -> set[str]:
        """Every version whose files are still kept."""
        with self._begin() as connection:
            return set(connection.execute(select(files.c.version).where(files.c.version.is_not(None))).scalars())


def _touch(connection: Connection, finetune_id: str, **values: object) -> bool:
    """Change the fine-tune's row, which also keeps other writers off until the transaction's end."""
    change = update(finetunes).where(finetunes.c.id == finetune_id).values(modified_at=now(), **values)
    return connection.execute(change).rowcount == 1


def _drop(connection: Connection, *which: Any) -> None:
    connection.execute(update(files).where(*which, files.c.dropped_at.is_(None)).values(dropped_at=now()))


def _read(connection: Connection, query: Select[Any]) -> list[FineTune]:
    rows = connection.execute(query.order_by(finetunes.c.created_at, finetunes.c.name, finetunes.c.id)).all()
    wanted = select(files).where(files.c.finetune_id.in_([row.id for row in rows]), files.c.dropped_at.is_(None))
    found: dict[str, list[FileRecord]] = {row.id: [] for row in rows}
    for row in connection.execute(wanted.order_by(files.c.file_name)):
        found[row.finetune_id].append(_file(row))
    return [_finetune(row, found[row.id]) for row in rows]


def _finetune(row: Row[Any], found: list[FileRecord]) -> FineTune:
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


def _file(row: Row[Any]) -> FileRecord:
    return FileRecord(row.blob_id, row.file_name, row.size, row.sha256, row.version)
