"""Which adapters vLLM has in memory, and which requests may use one now.

vLLM reads an adapter when a step first needs it, and a file that it cannot read there ends the engine. So each is added
before any of its requests may step, and failing costs those alone. There are never more in use than one step can hold:
vLLM's scheduler would pass over the others' requests for as long as it likes.
"""

import contextlib
import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from fireside.engine.types import Adapter
from fireside.errors import EngineFailed

logger = logging.getLogger(__name__)

_CHUNK = 1 << 20


@dataclass(slots=True)
class _Entry:
    number: int
    users: int = 0
    used_at: int = 0


class AdapterSlots:
    """Lives in the engine's one thread; only files are read ahead elsewhere.

    Args:
        add: makes vLLM read an adapter: its name, number and folder. Raises what is wrong with it.
        remove: makes vLLM forget a number; one it does not know is no error.
        slots: adapters that may be in use at the same time.
        cached: adapters in memory, `slots` at least. The least recently used makes room.
    """

    def __init__(
        self, add: Callable[[str, int, str], None], remove: Callable[[int], None], slots: int, cached: int
    ) -> None:
        self._add = add
        self._remove = remove
        self._slots = slots
        self._cached = max(cached, slots)
        self._entries: dict[str, _Entry] = {}
        self._reading: dict[str, Future[None]] = {}
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="adapters")
        self._numbers = self._clock = 0

    def in_use(self, adapter: Adapter) -> bool:
        """Whether a running request has it, so that another takes no further slot."""
        return (entry := self._entries.get(adapter.id)) is not None and entry.users > 0

    def read_ahead(self, adapter: Adapter) -> None:
        """Bring its files into the system's cache: while vLLM reads them, no step runs."""
        if adapter.id not in self._entries and adapter.id not in self._reading:
            self._reading[adapter.id] = self._reader.submit(_read, Path(adapter.folder))

    def acquire(self, adapter: Adapter) -> int | None:
        """Its number, kept until `release`; None while its files are read or all slots are in use.

        Raises EngineFailed when it cannot be loaded.
        """
        entry = self._entries.get(adapter.id)
        if not self.in_use(adapter) and sum(one.users > 0 for one in self._entries.values()) >= self._slots:
            return None
        if entry is None:
            reading = self._reading.get(adapter.id)
            if reading is not None and not reading.done():
                return None
            self._reading.pop(adapter.id, None)
            entry = self._load(adapter)
        entry.users += 1
        return entry.number

    def release(self, adapter: Adapter) -> None:
        """A request that had acquired it is over."""
        self._clock += 1
        entry = self._entries[adapter.id]
        entry.users -= 1
        entry.used_at = self._clock

    def _load(self, adapter: Adapter) -> _Entry:
        while len(self._entries) >= self._cached:
            _, oldest = min((entry.used_at, name) for name, entry in self._entries.items() if not entry.users)
            self._remove(self._entries.pop(oldest).number)
        self._numbers += 1
        try:
            self._add(adapter.id, self._numbers, adapter.folder)
        except Exception as error:
            logger.exception("vLLM cannot load the adapter %s", adapter.id)
            with contextlib.suppress(Exception):
                self._remove(self._numbers)  # one with wrong shapes has its slot already
            raise EngineFailed(
                f"The fine-tune cannot be loaded by vLLM ({type(error).__name__}). The server's log says more."
            ) from error
        entry = self._entries[adapter.id] = _Entry(self._numbers)
        return entry


def _read(folder: Path) -> None:
    for path in folder.iterdir():
        with path.open("rb") as file:
            while file.read(_CHUNK):
                pass
