"""Fine-tunes as accounts see them: create, upload, list, delete, and the folder that an engine opens.

An upload is seen when all of it is done: its bytes are checked, then stored under an id made here, then noted in the
database, in this order. When both files wait, they are checked together and become a version, and the one row that says
which version answers is changed last. So a process that is killed anywhere leaves the version before, or none; what it
left behind is swept up later.
"""

import hashlib
import logging
import re
import threading
import time
from collections.abc import Iterable
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

from fireside.catalog.spec import ModelSpec
from fireside.errors import (
    BadAdapter,
    FineTuneIncomplete,
    FineTuneMismatch,
    FineTuneNotFound,
    InvalidInput,
    LoraUnsupported,
    ModelError,
    NotPermitted,
    StoreUnavailable,
)
from fireside.finetunes.blobs import open_blobs
from fireside.finetunes.checks import FILE_NAMES, Base, check_file, check_pair
from fireside.finetunes.readers import LocalAdapter, Readers
from fireside.finetunes.status import missing_text
from fireside.finetunes.uploads import Uploads
from fireside.finetunes.versions import VersionFolders
from fireside.settings import Settings
from fireside.store.finetune_records import FineTune
from fireside.store.finetunes import FineTuneTable, quota_error
from fireside.weights.checkpoint import Checkpoint
from fireside.weights.locate import is_downloaded, locate
from fireside.weights.open import open_checkpoint

logger = logging.getLogger(__name__)

GRACE_SECONDS = 3 * 3600
"""What a killed process may have left is removed this much later: it could be another server's that is at work."""

_NAME = re.compile(r"[^/\\\x00-\x1f\x7f]{1,100}")
_RESERVED_NAMES = ("public", ".", "..")


class FineTunes:
    """Synchronous and safe to call from many threads. Methods raise StoreUnavailable when database or blobs fail.

    Args:
        models: those that a fine-tune may be for, and others.

    Raises ConfigError when the blob store's URL is wrong.
    """

    def __init__(self, settings: Settings, table: FineTuneTable, models: Iterable[ModelSpec]) -> None:
        self._settings = settings
        self._table = table
        self._switching = threading.Lock()
        self._models = {name: spec for spec in models for name in spec.names}
        self._blobs = open_blobs(settings.blob_url, settings.data_dir / "finetunes")
        self._folders = VersionFolders(settings.data_dir / "cache" / "adapters", self._blobs)
        self._readers = Readers(self._folders)
        self._uploads = Uploads(settings.finetune_uploads)
        self._most_bytes = settings.finetune_account_mb * 1_000_000

    def create(
        self, account: str, *, model: ModelSpec, name: str, description: str = "", public: bool = False
    ) -> FineTune:
        """A fine-tune without files yet. Raises LoraUnsupported, InvalidInput, FineTuneExists, FineTuneQuota."""
        if not model.lora:
            raise LoraUnsupported(f"The model {model.id} does not support LoRA inference: choose another one.")
        problems = []
        if not _NAME.fullmatch(name) or not name.isprintable() or name != name.strip() or name in _RESERVED_NAMES:
            problems.append(
                "name: must have 1 to 100 printable characters, no '/' or '\\', no space at either end, and not be "
                + " or ".join(map(repr, _RESERVED_NAMES))
            )
        if len(description) > 1000 or "\0" in description:
            problems.append("description: must have at most 1000 characters")
        if problems:
            raise InvalidInput(problems)
        limit = self._settings.finetunes_per_account
        return self._table.create(
            account, model=model.id, name=name, description=description, public=public, limit=limit
        )

    def of_account(self, account: str) -> list[FineTune]:
        """The account's own, oldest first."""
        return self._table.of_account(account)

    def public(self) -> list[FineTune]:
        """Those that everybody may read."""
        return self._table.public()

    def get(self, account: str, reference: str) -> FineTune:
        """The account's own by id or name, or a public one by id or as `account/name`. Raises FineTuneNotFound.

        A public one is never meant by its name alone: whoever makes one of that name would then answer for the account.
        """
        found = self._table.find(account, reference) if len(reference) <= 200 else None
        if found is None:
            raise FineTuneNotFound(
                f"This account has no fine-tune with the id or name {reference[:100]!r}. Another account's public one "
                "is named by its id, or as ACCOUNT/NAME."
            )
        return found

    def delete(self, account: str, reference: str) -> FineTune:
        """Take it away with its files; requests under way finish with it. Raises FineTuneNotFound, NotPermitted."""
        finetune = self._own(account, reference)
        self._table.delete(finetune.id)
        self._end(finetune)
        self.sweep()
        return finetune

    def check_upload(self, account: str, reference: str, size: int) -> None:
        """Whether an upload of so many bytes may come. Raises FineTuneNotFound, NotPermitted, FineTuneQuota."""
        self._own(account, reference)
        used = self._table.used_bytes(account)
        if used + size > self._most_bytes:
            raise quota_error(used, size, self._most_bytes)

    def uploading(self, account: str) -> AbstractContextManager[None]:
        """An upload's place while its bytes come. Raises Busy, when it is entered."""
        return self._uploads.place(account)

    def upload(self, account: str, reference: str, name: str, path: Path) -> FineTune:
        """Take one file in. When it is the second of the two, they become the version that answers from now on.

        Args:
            name: `adapter_config.json` or `adapter_model.safetensors`.
            path: its content, which the caller removes afterwards.

        Raises FineTuneNotFound, NotPermitted, InvalidInput for another name, BadAdapter when the file (or the two
        together) cannot be used; the fine-tune's status says so, too, and a version that answers goes on answering.
        """
        if name not in FILE_NAMES:
            raise InvalidInput([f"file_name: must be {' or '.join(FILE_NAMES)}"])
        finetune = self._own(account, reference)
        base = self._base(finetune)
        try:
            check_file(name, path, base, self._settings.finetune_max_rank)
        except BadAdapter as error:
            self._table.set_problem(finetune.id, str(error))
            raise
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        arriving, is_there = self._table.reserve(
            finetune, name, size=path.stat().st_size, sha256=sha256, limit=self._most_bytes
        )
        try:
            if not is_there:
                self._blobs.put(arriving.blob_id, path)
        except StoreUnavailable:
            self._table.discard([arriving.id])
            raise
        # One at a time: a file that came between the two steps would drop the pair as one whose upload broke off.
        with self._switching:
            kept = self._table.keep(finetune.id, arriving.id)
            if kept is None:
                self._table.discard([arriving.id])
                raise FineTuneNotFound(f"The fine-tune {reference[:100]!r} was deleted in the meantime.")
            if len(kept.waiting) == len(FILE_NAMES):
                self._activate(kept, base)
        return self.get(account, finetune.id)

    def local(self, account: str, reference: str, model: ModelSpec) -> LocalAdapter:
        """The version that answers now, for a request to this model; fetched to this machine if it is not here.

        It stays, deleted or not, until it is given to `release` (or forgotten). Raises FineTuneNotFound,
        FineTuneMismatch, FineTuneIncomplete.
        """
        finetune = self.get(account, reference)
        if finetune.model not in model.names:
            raise FineTuneMismatch(
                f"The fine-tune {finetune.name!r} was made for the model {finetune.model}, not for {model.id}."
            )
        if finetune.version is None:
            raise FineTuneIncomplete(f"The fine-tune {finetune.name!r} cannot be used yet: {missing_text(finetune)}")
        try:
            return self._open(finetune, finetune.version)
        except StoreUnavailable:
            # It may have been replaced between the two steps; then the new version is there.
            finetune = self.get(account, finetune.id)
            if finetune.version is None:
                raise
            return self._open(finetune, finetune.version)

    def release(self, adapter: LocalAdapter) -> None:
        """A request is done with it: what was deleted in the meantime goes with its last reader."""
        self._readers.release(adapter)

    def _open(self, finetune: FineTune, version: str) -> LocalAdapter:
        adapter = self._readers.open(version)  # first: from now on nobody removes the folder
        try:
            self._folders.make(version, finetune.files)
        except BaseException:
            self.release(adapter)
            raise
        return adapter

    def sweep(self, grace: float = GRACE_SECONDS) -> None:
        """Remove what is out of use, and what killed processes left behind more than `grace` seconds ago."""
        try:
            self._sweep(grace)
        except (StoreUnavailable, OSError) as error:  # it will be tried again, and nobody waits for it
            logger.warning("Leftover files of fine-tunes could not be removed: %s", error)

    def _sweep(self, grace: float) -> None:
        self._readers.remove_ended()
        gone = self._table.dropped(datetime.now(UTC) - timedelta(seconds=grace))
        for file in gone:
            self._blobs.delete(file.blob_id)
        if gone:
            self._table.forget(file.id for file in gone)
        self._folders.remove_all_but(self._table.versions() | self._readers.versions(), grace)
        uploads = self.upload_folder()
        for left in uploads.iterdir():
            if time.time() - left.stat().st_mtime > grace:
                left.unlink(missing_ok=True)

    def upload_folder(self) -> Path:
        """Where uploads are written before they are checked; on the blob folder's disk, so that they can be linked."""
        folder = self._settings.data_dir / "uploads"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return folder

    def _end(self, finetune: FineTune) -> None:
        if finetune.version is not None:
            self._readers.end(finetune.version)

    def _own(self, account: str, reference: str) -> FineTune:
        finetune = self.get(account, reference)
        if finetune.account_id != account:
            raise NotPermitted(f"The fine-tune {finetune.name!r} is another account's: it can be used, not changed.")
        return finetune

    def _base(self, finetune: FineTune) -> Base:
        spec = self._models.get(finetune.model)
        if spec is None:
            raise FineTuneMismatch(f"The model {finetune.model} of this fine-tune is no longer in the catalog.")
        return Base(spec, self._base_checkpoint(spec))

    def _base_checkpoint(self, spec: ModelSpec) -> Checkpoint | None:
        data_dir = self._settings.data_dir
        if not spec.engine.reads_weights or not is_downloaded(data_dir, spec):
            return None
        try:
            path = locate(data_dir, spec)
            return None if path is None else open_checkpoint(path)
        except ModelError as error:
            logger.warning("Cannot check a fine-tune against %s, whose files cannot be read: %s", spec.id, error)
            return None

    def _activate(self, finetune: FineTune, base: Base) -> None:
        waiting = {file.name: file for file in finetune.waiting}
        file_ids = [file.id for file in waiting.values()]
        if {file.name: file.sha256 for file in finetune.files} == {name: file.sha256 for name, file in waiting.items()}:
            self._table.discard(file_ids)  # the same again: an upload that was repeated
            return
        version = uuid4().hex
        try:
            self._folders.make(
                version, waiting.values(), lambda folder: check_pair(folder, base, self._settings.finetune_max_rank)
            )
        except BadAdapter as error:
            # Kept, they would be paired with the next upload, which may be of another adapter.
            self._table.discard(file_ids)
            self._table.set_problem(finetune.id, str(error))
            raise BadAdapter(f"{error} Upload both files again.") from error
        if self._table.activate(finetune.id, file_ids, version):
            self._end(finetune)
