"""Who still reads a version, so that one that answers no more goes with its last reader."""

import threading
from dataclasses import dataclass
from pathlib import Path
from weakref import WeakSet

from fireside.finetunes.versions import VersionFolders


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class LocalAdapter:
    """A version that is on this machine: both files lie in the folder, and never change until it is released."""

    version: str
    folder: Path


class Readers:
    """The versions that requests of this process read. Safe to use from many threads."""

    def __init__(self, folders: VersionFolders) -> None:
        self._folders = folders
        self._lock = threading.Lock()
        # Weak: what a cancelled request never gave back counts for nothing either.
        self._adapters: WeakSet[LocalAdapter] = WeakSet()
        self._ended: set[str] = set()

    def open(self, version: str) -> LocalAdapter:
        """A reader more, whether or not the version's folder is there."""
        adapter = LocalAdapter(version, self._folders.folder(version))
        with self._lock:
            self._adapters.add(adapter)
        return adapter

    def release(self, adapter: LocalAdapter) -> None:
        """A reader less."""
        with self._lock:
            self._adapters.discard(adapter)
        self.remove_ended()

    def end(self, version: str) -> None:
        """The version answers no more."""
        with self._lock:
            self._ended.add(version)
        self.remove_ended()

    def versions(self) -> set[str]:
        """Those that are read."""
        with self._lock:
            return {adapter.version for adapter in self._adapters}

    def remove_ended(self) -> None:
        """Remove the folders of versions that answer no more and that nobody reads."""
        with self._lock:
            gone = self._ended - {adapter.version for adapter in self._adapters}
            self._ended -= gone
            for version in gone:
                self._folders.remove(version)
