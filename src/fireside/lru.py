"""A memory that forgets what was not used for longest."""

import threading
from collections import OrderedDict
from typing import Generic, TypeVar

V = TypeVar("V")

_OVERHEAD = 200
"""Bytes of a digest, an entry and a small value's own head."""


class Lru(Generic[V]):
    """Values by digest, of so many bytes together. Safe to use from many threads.

    Args:
        most: bytes; what is larger alone is not kept.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._bytes = 0
        self._kept: OrderedDict[bytes, tuple[V, int]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, digest: bytes) -> V | None:
        """What was put there, if it is still known."""
        with self._lock:
            if digest not in self._kept:
                return None
            self._kept.move_to_end(digest)
            return self._kept[digest][0]

    def put(self, digest: bytes, value: V, size: int) -> None:
        """Keep a value, in place of the one before.

        Args:
            size: bytes that it takes, about.
        """
        with self._lock:
            self._drop(digest)
            self._kept[digest] = value, size + _OVERHEAD
            self._bytes += size + _OVERHEAD
            while self._bytes > self._most:
                self._drop(next(iter(self._kept)))

    def _drop(self, digest: bytes) -> None:
        if entry := self._kept.pop(digest, None):
            self._bytes -= entry[1]
