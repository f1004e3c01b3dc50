"""The KV cache's memory: a row for each slot, float32 [rows, kv_heads, positions, head_dim] for keys and values of
each layer.

The memory is reserved, not used: the operating system gives pages as positions are written, and takes a row's pages
back when the row is released. So a long context costs nothing until somebody uses it.
"""

import mmap

import numpy as np
from numpy.typing import NDArray

from fireside.engine.onnx.reserved import reserve
from fireside.weights.checkpoint import ModelConfig

SLACK = 2
"""Positions beyond the context: a step padded to an even number of tokens writes one more, which nobody reads."""

Cache = NDArray[np.float32]


def bytes_per_token(config: ModelConfig) -> int:
    """KV cache bytes for one position of one row."""
    return 2 * config.layers * config.kv_heads * config.head_dim * 4


class KvCache:
    """Owns the memory; knows nothing of requests.

    Args:
        rows: slots.
        positions: context length; SLACK more are allocated.
    """

    def __init__(self, config: ModelConfig, rows: int, positions: int) -> None:
        self.rows = rows
        self.positions = positions + SLACK
        shape = (rows, config.kv_heads, self.positions, config.head_dim)
        self._maps: list[mmap.mmap] = []
        self.keys = [self._reserve(shape) for _ in range(config.layers)]
        self.values = [self._reserve(shape) for _ in range(config.layers)]
        self.row_bytes = self.keys[0][0].nbytes

    def _reserve(self, shape: tuple[int, ...]) -> Cache:
        memory, array = reserve(shape)
        self._maps.append(memory)
        return array

    def arrays(self) -> list[Cache]:
        """All of it, keys then values, layer by layer."""
        return [*self.keys, *self.values]

    def copy(self, source: int, target: int, count: int) -> None:
        """Copy the first `count` positions of a row to another row."""
        for array in self.arrays():
            array[target, :, :count] = array[source, :, :count]

    def swap(self, first: int, first_count: int, second: int, second_count: int) -> None:
        """Exchange two rows, of which the first counts' positions matter."""
        if second_count == 0:
            self.copy(first, second, first_count)
            return
        count = max(first_count, second_count)
        for array in self.arrays():
            kept = array[first, :, :count].copy()
            array[first, :, :count] = array[second, :, :count]
            array[second, :, :count] = kept

    def release(self, row: int) -> None:
        """Give the memory of a row back to the operating system (where it can be done; elsewhere it is kept)."""
        if not hasattr(mmap, "MADV_DONTNEED"):
            return
        page = mmap.PAGESIZE
        start = -(-row * self.row_bytes // page) * page
        end = (row + 1) * self.row_bytes // page * page
        if end > start:
            for memory in self._maps:
                memory.madvise(mmap.MADV_DONTNEED, start, end - start)
