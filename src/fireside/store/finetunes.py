"""What the database knows of fine-tunes. Their files lie elsewhere; a row names each by its blob's id.

A file's row goes through these states:

- arriving: its bytes may be on their way; if the process dies, the sweep finds them.
- kept, without a version: it waits for the other file of the next version.
- kept, with a version: in use, as long as that version is the fine-tune's.
- dropped: nobody finds it any more, and the sweep removes it, with its blob unless another row has the same.

A blob gets a new row only where a kept one has it, so that what the sweep removes cannot come back to life.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, and_, case, delete, exists, func, insert, literal, or_, select, update
from sqlalchemy.exc import IntegrityError

from fireside.errors import FineTuneExists, FineTuneNotFound, FineTuneQuota, StoreUnavailable
from fireside.store.finetune_records import FileRecord, FineTune, file_record, read_finetunes
from fireside.store.rows import ensure_account, now
from fireside.store.schema import finetune_files as files
from fireside.store.schema import finetunes

WAITING_SECONDS = 3600
"""For so long a file of a new version waits for the other one, while the version before answers."""


class FineTuneTable:
    """Part of `Store`: every method raises StoreUnavailable when the database fails."""

    def __init__(self, begin: Callable[[], AbstractContextManager[Connection]]) -> None:
        self._begin = begin

    def create(self, account_id: str, *, model: str, name: str, description: str, public: bool, limit: int) -> FineTune:
        """Add one without files. Raises FineTuneExists, FineTuneQuota when the account has `limit` already."""
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
                raise FineTuneQuota(f"This account has {limit} fine-tunes, the most it may. Delete one first.")
            try:
                with connection.begin_nested():
                    connection.execute(insert(finetunes).values(row))
            except IntegrityError:
                raise FineTuneExists(
                    f"This account has a fine-tune named {name!r} already. To replace its adapter, upload the two "
                    "files to it again; else choose another name, or delete it."
                ) from None
            [made] = read_finetunes(connection, select(finetunes).where(finetunes.c.id == row["id"]))
        return made

    def of_account(self, account_id: str) -> list[FineTune]:
        """The account's own, oldest first."""
        with self._begin() as connection:
            return read_finetunes(connection, select(finetunes).where(finetunes.c.account_id == account_id))

    def public(self) -> list[FineTune]:
        """Those of all accounts that everybody may read, oldest first."""
        with self._begin() as connection:
            return read_finetunes(connection, select(finetunes).where(finetunes.c.public))

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
            return next(iter(read_finetunes(connection, query)), None)

    def delete(self, finetune_id: str) -> bool:
        """Take it away at once; its files go later. False when it is gone already."""
        with self._begin() as connection:
            gone = connection.execute(delete(finetunes).where(finetunes.c.id == finetune_id)).rowcount == 1
            _drop(connection, files.c.finetune_id == finetune_id)
        return gone

    def reserve(self, finetune: FineTune, name: str, *, size: int, sha256: str, limit: int) -> tuple[FileRecord, bool]:
        """A place for a file that is about to be stored, and whether its bytes are there already.

        Args:
            limit: most bytes of the account's files, whatever their state; the same bytes count once.

        Raises FineTuneNotFound when the fine-tune is gone, FineTuneQuota.
        """
        same = (files.c.account_id == finetune.account_id, files.c.sha256 == sha256, files.c.size == size)
        twin = select(files.c.blob_id).where(*same, files.c.state == "kept").limit(1).with_for_update()
        with self._begin() as connection:
            # A write comes first: in SQLite, it keeps other writers off until the end.
            if not _touch(connection, finetune.id):
                raise FineTuneNotFound(f"The fine-tune {finetune.name!r} was deleted in the meantime.")
            blob_id = connection.execute(twin).scalar_one_or_none()
            used = _used_bytes(connection, finetune.account_id)
            if blob_id is None and used + size > limit:
                raise quota_error(used, size, limit)
            made = FileRecord(uuid4().hex, blob_id or uuid4().hex, name, size, sha256, None)
            connection.execute(
                insert(files).values(
                    id=made.id,
                    blob_id=made.blob_id,
                    account_id=finetune.account_id,
                    finetune_id=finetune.id,
                    file_name=name,
                    size=size,
                    sha256=sha256,
                    uploaded_at=now(),
                    version=None,
                    state="arriving",
                )
            )
        return made, blob_id is not None

    def used_bytes(self, account_id: str) -> int:
        """Bytes of the account's files, whatever their state; the same bytes count once."""
        with self._begin() as connection:
            return _used_bytes(connection, account_id)

    def keep(self, finetune_id: str, file_id: str) -> FineTune | None:
        """The file's bytes are stored: it waits now for the other file. None when the fine-tune is gone.

        What waited before is dropped where it belongs to another pair: a file of the same name, two files (whose upload
        broke off at its end), and, when a version answers already, one that is older than WAITING_SECONDS.
        """
        with self._begin() as connection:
            name = select(files.c.file_name).where(files.c.id == file_id).scalar_subquery()
            # What was wrong with the other file still is.
            problem = case((finetunes.c.problem.startswith(name), ""), else_=finetunes.c.problem)
            if not _touch(connection, finetune_id, problem=problem):
                return None
            waiting = (files.c.finetune_id == finetune_id, *_WAITING)
            count = connection.execute(select(func.count()).select_from(files).where(*waiting)).scalar_one()
            answers = select(finetunes.c.version.is_not(None)).where(finetunes.c.id == finetune_id).scalar_subquery()
            stale = and_(answers, files.c.uploaded_at < now() - WAITING_SECONDS)
            _drop(connection, *waiting, or_(files.c.file_name == name, stale, literal(count > 1)))
            arrived = update(files).where(files.c.id == file_id, files.c.state == "arriving")
            if connection.execute(arrived.values(state="kept")).rowcount == 0:
                raise StoreUnavailable("The upload took too long, and what had arrived was removed. Try again.")
            [kept] = read_finetunes(connection, select(finetunes).where(finetunes.c.id == finetune_id))
        return kept

    def activate(self, finetune_id: str, file_ids: Sequence[str], version: str) -> bool:
        """Make the waiting files the version that answers. False when they wait no longer: another was faster."""
        waiting = (files.c.id.in_(file_ids), *_WAITING)
        with self._begin() as connection:
            if not _touch(connection, finetune_id, problem=""):
                return False
            count = select(func.count()).select_from(files).where(*waiting)
            if connection.execute(count).scalar_one() != len(file_ids):
                return False
            _drop(connection, files.c.finetune_id == finetune_id, files.c.version.is_not(None))
            connection.execute(update(files).where(*waiting).values(version=version))
            _touch(connection, finetune_id, version=version)
        return True

    def discard(self, file_ids: Sequence[str]) -> None:
        """Drop files that wait, or whose bytes will not arrive."""
        gone = update(files).where(files.c.id.in_(file_ids), files.c.version.is_(None))
        with self._begin() as connection:
            connection.execute(gone.values(state="dropped"))

    def set_problem(self, finetune_id: str, problem: str) -> None:
        """Note what is wrong."""
        with self._begin() as connection:
            _touch(connection, finetune_id, problem=problem)

    def dropped(self, arriving_before: datetime) -> list[FileRecord]:
        """Files out of use whose blobs nobody else needs: to be removed, then forgotten.

        Those that share a blob are forgotten here. One that has been arriving since that time never will.
        """
        late = and_(files.c.state == "arriving", files.c.uploaded_at < int(arriving_before.timestamp()))
        other = files.alias()
        shared = exists().where(other.c.blob_id == files.c.blob_id, other.c.state != "dropped")
        with self._begin() as connection:
            connection.execute(update(files).where(late).values(state="dropped"))
            connection.execute(delete(files).where(files.c.state == "dropped", shared))
            rows = connection.execute(select(files).where(files.c.state == "dropped")).all()
        return [file_record(row) for row in rows]

    def forget(self, file_ids: Iterable[str]) -> None:
        """Their blobs are gone."""
        with self._begin() as connection:
            connection.execute(delete(files).where(files.c.id.in_(list(file_ids)), files.c.state == "dropped"))

    def versions(self) -> set[str]:
        """Every version that answers."""
        kept = select(files.c.version).where(files.c.version.is_not(None), files.c.state == "kept")
        with self._begin() as connection:
            return set(connection.execute(kept).scalars())


def quota_error(used: int, size: int, limit: int) -> FineTuneQuota:
    """What an account hears whose files would be too many bytes."""
    return FineTuneQuota(
        f"This file has {size:,} bytes, and the account's fine-tunes {used:,} of the {limit:,} that it may. Delete one "
        "first, or ask the operator to raise FIRESIDE_FINETUNE_ACCOUNT_MB."
    )


_WAITING = (files.c.version.is_(None), files.c.state == "kept")


def _used_bytes(connection: Connection, account_id: str) -> int:
    blobs = select(files.c.blob_id, func.max(files.c.size).label("size"))
    blobs_of = blobs.where(files.c.account_id == account_id).group_by(files.c.blob_id).subquery()
    return int(connection.execute(select(func.coalesce(func.sum(blobs_of.c.size), 0))).scalar_one())


def _touch(connection: Connection, finetune_id: str, **values: object) -> bool:
    """Change the fine-tune's row, which also keeps other writers off until the transaction's end."""
    change = update(finetunes).where(finetunes.c.id == finetune_id).values(modified_at=now(), **values)
    return connection.execute(change).rowcount == 1


def _drop(connection: Connection, *which: Any) -> None:
    connection.execute(update(files).where(*which, files.c.state == "kept").values(state="dropped"))
