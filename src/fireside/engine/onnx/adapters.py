"""The adapters in memory. A separate thread loads them on first use; the least recently used ones are evicted."""

import logging
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from fireside.engine.onnx.lora import LoraBank, Slot
from fireside.engine.types import Adapter
from fireside.errors import EngineFailed, FiresideError
from fireside.weights.adapter import AdapterFiles, check_fits, read_adapter
from fireside.weights.checkpoint import ModelConfig

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class _Entry:
    """The state of an adapter, which is read, waits for a slot, and is then written into its `slot`."""

    reading: Future[AdapterFiles]
    slot: Slot | None = None
    filling: Future[None] | None = None
    users: int = 0
    used_at: int = 0


class AdapterTable:
    """Loads adapters and counts their users. Used only by the engine's thread; another reads files and fills slots."""

    def __init__(self, bank: LoraBank, config: ModelConfig) -> None:
        self._bank = bank
        self._config = config
        self._entries: dict[str, _Entry] = {}
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="adapters")
        self._clock = 0

    def acquire(self, adapter: Adapter) -> Slot | None:
        """Return the adapter's slot and keep it until `release`; None while it is loading or there is no room.

        Raises EngineFailed if it cannot be loaded.
        """
        entry = self._entries.get(adapter.id)
        if entry is None:
            entry = self._entries[adapter.id] = _Entry(self._worker.submit(self._read, adapter))
        try:
            if not self._ready(entry):
                return None
        except Exception as error:  # even MemoryError: it fails only this request
            self._forget(adapter.id)
            raise EngineFailed(f"The fine-tune cannot be loaded: {_reason(error)}") from error
        entry.users += 1
        return entry.slot

    def release(self, adapter: Adapter) -> None:
        """Note that a request that acquired the adapter has ended."""
        self._clock += 1
        entry = self._entries[adapter.id]
        entry.users -= 1
        entry.used_at = self._clock

    def _read(self, adapter: Adapter) -> AdapterFiles:
        files = read_adapter(Path(adapter.folder))
        check_fits(files, self._config)
        return files

    def _ready(self, entry: _Entry) -> bool:
        if not entry.reading.done():
            return False
        files = entry.reading.result()
        if entry.slot is None:
            entry.slot = self._make_room(files)
            if entry.slot is None:
                return False
            entry.filling = self._worker.submit(self._bank.fill, entry.slot, files)
        assert entry.filling is not None
        if not entry.filling.done():
            return False
        entry.filling.result()
        return True

    def _make_room(self, files: AdapterFiles) -> Slot | None:
        """Allocate a slot, evicting unused adapters if necessary. Raises ValueError if it can never fit."""
        while (slot := self._bank.allocate(files)) is None:
            unused = [
                (entry.used_at, name)
                for name, entry in self._entries.items()
                if entry.slot is not None and entry.users == 0 and entry.filling is not None and entry.filling.done()
            ]
            if not unused:
                return None
            self._forget(min(unused)[1])
        return slot

    def _forget(self, name: str) -> None:
        entry = self._entries.pop(name)
        if entry.slot is not None:
            self._bank.free(entry.slot)


def _reason(error: Exception) -> str:
    match error:
        case OSError():
            return error.strerror or type(error).__name__
        case MemoryError():
            return "there is not enough memory for it."
        case FiresideError() | ValueError():
            return str(error)
        case _:
            logger.error("an adapter cannot be loaded", exc_info=error)
            return f"{type(error).__name__}. The server's log says more."
