"""The KV cache's memory: float32 [slots, kv_heads, positions, head_dim] for keys and values of each layer.

The memory is reserved, not used: the operating system allocates pages as positions are written, and frees a slot's
pages when the slot is released. So a long context costs nothing until it is used.
"""

import mmap
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from fireside.engine.onnx.reserved import reserve
from fireside.weights.checkpoint import ModelConfig

SLACK = 2
"""Positions beyond the context: a step padded to an even number of tokens writes one more, which is never read."""

Cache = NDArray[np.float32]


def bytes_per_token(config: ModelConfig) -> int:
    """KV cache bytes for one position of one slot."""
    return 2 * config.layers * config.kv_heads * config.head_dim * 4


class KvCache:
    """Owns the memory and knows nothing about requests.

    Args:
        slots: number of slots.
        positions: context length; SLACK positions more are allocated.
    """

    def __init__(self, config: ModelConfig, slots: int, positions: int) -> None:
        self.slots = slots
        self.positions = positions + SLACK
        shape = (slots, config.kv_heads, self.positions, config.head_dim)
        self._maps: list[mmap.mmap] = []
        self.keys = [self._reserve(shape) for _ in range(config.layers)]
        self.values = [self._reserve(shape) for _ in range(config.layers)]
        self.slot_bytes = self.keys[0][0].nbytes
        self._parked: dict[int, list[Cache]] = {}

    def _reserve(self, shape: tuple[int, ...]) -> Cache:
        memory, array = reserve(shape)
        self._maps.append(memory)
        return array

    def arrays(self) -> list[Cache]:
        """All arrays: the keys layer by layer, then the values."""
        return [*self.keys, *self.values]

    def park(self, slots: Iterable[int]) -> None:
        """Save the first position of these slots: until `unpark`, a step may overwrite it.

        A step that decodes some slots of a window makes the unused slots between them attend only that position.
        """
        for slot in slots:
            if slot not in self._parked:
                self._parked[slot] = [array[slot, :, 0].copy() for array in self.arrays()]

    def unpark(self, slots: Iterable[int]) -> None:
        """Restore the first position of these slots if it was saved."""
        for slot in slots:
            if (kept := self._parked.pop(slot, None)) is not None:
                for array, first in zip(self.arrays(), kept, strict=True):
                    array[slot, :, 0] = first

    def copy(self, source: int, target: int, count: int) -> None:
        """Copy the first `count` positions of one slot to another."""
        self.unpark([source])
        self._parked.pop(target, None)
        for array in self.arrays():
            array[target, :, :count] = array[source, :, :count]

    def release(self, slot: int) -> None:
        """Return a slot's memory to the operating system, if it supports that; otherwise keep it."""
        self._parked.pop(slot, None)
        if not hasattr(mmap, "MADV_DONTNEED"):
            return
        page = mmap.PAGESIZE
        start = -(-slot * self.slot_bytes // page) * page
        end = (slot + 1) * self.slot_bytes // page * page
        if end > start:
            for memory in self._maps:
                memory.madvise(mmap.MADV_DONTNEED, start, end - start)
