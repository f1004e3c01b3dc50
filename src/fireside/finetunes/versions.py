"""The two files of a version side by side in a folder of this machine, as an engine opens them."""

import os
import shutil
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from fireside.errors import StoreUnavailable
from fireside.finetunes.blobs import BlobStore
from fireside.store.finetune_records import FileRecord


class VersionFolders:
    """Folders named by their version's id. One appears only when all of it is there, and never changes.

    Args:
        root: their parent; may be lost at any time, as it can be filled again from the blobs.
    """

    def __init__(self, root: Path, blobs: BlobStore) -> None:
        self._root = root
        self._blobs = blobs

    def folder(self, version: str) -> Path:
        """Where the version is, or would be."""
        return self._root / version

    def make(self, version: str, files: Iterable[FileRecord], check: Callable[[Path], object] | None = None) -> Path:
        """The version's folder, made from its blobs unless it is here.

        Args:
            check: looks at the folder before it gets its name; what it raises leaves no folder.

        Raises StoreUnavailable, and what `check` raises.
        """
        folder = self.folder(version)
        with suppress(FileNotFoundError):
            os.utime(folder)  # another process on this data folder sees that it is in use
            return folder
        part = self._root / f".{uuid4().hex}.part"
        try:
            part.mkdir(parents=True, mode=0o700)
            for file in files:
                self._blobs.fetch(file.blob_id, part / file.name)
                if (part / file.name).stat().st_size != file.size:
                    raise StoreUnavailable(f"{file.name} of this fine-tune is damaged in the server's store.")
            if check is not None:
                check(part)
            try:
                part.rename(folder)
            except OSError:
                if not folder.is_dir():  # another thread was faster, otherwise
                    raise
        except OSError as error:
            raise StoreUnavailable(f"The fine-tune's files cannot be kept on the server: {error.strerror}.") from error
        finally:
            shutil.rmtree(part, ignore_errors=True)
        return folder

    def remove(self, version: str) -> None:
        """Remove a version's folder, if it is here; nobody sees half of it."""
        part = self._root / f".{uuid4().hex}.part"
        with suppress(OSError):
            self.folder(version).rename(part)
        shutil.rmtree(part, ignore_errors=True)

    def remove_all_but(self, versions: set[str], older_than: float) -> None:
        """Remove other folders older than so many seconds: of versions long gone, or left by a killed process."""
        if not self._root.is_dir():
            return
        with os.scandir(self._root) as entries:
            for entry in entries:
                if entry.name not in versions and time.time() - entry.stat().st_mtime > older_than:
                    shutil.rmtree(entry.path, ignore_errors=True)
