"""A small map whose entries are good for a fixed time."""

import threading
import time
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class TimedCache(Generic[K, V]):
    """Safe for many threads.

    Args:
        seconds: how long an entry is good.
        limit: most entries held; the oldest go first.
    """

    def __init__(self, seconds: float, limit: int) -> None:
        self._seconds = seconds
        self._limit = limit
        self._entries: dict[K, tuple[float, V]] = {}
        self._lock = threading.Lock()

    def get(self, key: K) -> V | None:
        """The entry, or None when there is none or it is too old."""
        with self._lock:
            found = self._entries.get(key)
            if found is None or time.monotonic() - found[0] > self._seconds:
                return None
            return found[1]

    def put(self, key: K, value: V) -> None:
        """Set an entry that is good from now on."""
        with self._lock:
            self._entries.pop(key, None)
            while len(self._entries) >= self._limit:
                del self._entries[next(iter(self._entries))]
            self._entries[key] = (time.monotonic(), value)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._entries.clear()
