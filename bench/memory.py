"""Peak memory of a process and its descendants, read from /proc while they run (Linux; nothing elsewhere)."""

import os
import threading
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

INTERVAL = 0.05
_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes: all that is resident, and of that what no file stands behind (heap, thread stacks, shared memory)."""

    resident: int
    anonymous: int


class PeakMemory:
    """Context manager that samples the descendants of this process, this process itself left out.

    Args:
        root: whose descendants.
    """

    def __init__(self, root: int | None = None) -> None:
        self._root = root or os.getpid()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample, name="memory sampler", daemon=True)
        self._resident = self._anonymous = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    @property
    def peak(self) -> Memory | None:
        """The largest sums seen, or None where /proc is not to be had."""
        return Memory(self._resident, self._anonymous) if self._resident else None

    def _sample(self) -> None:
        while True:
            processes = [memory for pid in descendants(self._root) if (memory := read_memory(pid))]
            self._resident = max(self._resident, sum(memory.resident for memory in processes))
            self._anonymous = max(self._anonymous, sum(memory.anonymous for memory in processes))
            if self._stop.wait(INTERVAL):
                return


def descendants(root: int) -> list[int]:
    """Ids of the processes below `root`."""
    found: list[int] = []
    waiting = [root]
    while waiting:
        pid = waiting.pop()
        try:
            lists = [path.read_text() for path in (_PROC / str(pid) / "task").glob("*/children")]
        except OSError:
            continue
        children = [int(child) for text in lists for child in text.split()]
        found += children
        waiting += children
    return found


def read_memory(pid: int) -> Memory | None:
    """A process's memory now; None when it is gone."""
    try:
        lines = (_PROC / str(pid) / "status").read_text().splitlines()
    except OSError:
        return None
    fields = {key: value.split() for key, _, value in (line.partition(":") for line in lines)}
    if "VmRSS" not in fields:
        return None  # a zombie
    size = {key: int(fields[key][0]) * 1024 for key in ("VmRSS", "RssAnon", "RssShmem")}
    return Memory(size["VmRSS"], size["RssAnon"] + size["RssShmem"])
