"""Large arrays that cost memory only where they are written."""

import mmap
import sys

import numpy as np
from numpy.typing import NDArray

MAP_NORESERVE = 0x4000
"""Linux: the sum of all reservations may exceed the machine's memory. Python's mmap module has it only since 3.13."""


def reserve(shape: tuple[int, ...]) -> tuple[mmap.mmap, NDArray[np.float32]]:
    """Reserve zeros, float32, C-contiguous. The operating system allocates their pages when they are first written."""
    size = max(int(np.prod(shape, dtype=np.int64)) * 4, 1)
    if sys.platform == "linux":
        memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | MAP_NORESERVE)
    else:
        memory = mmap.mmap(-1, size)
    return memory, np.frombuffer(memory, dtype=np.float32, count=size // 4).reshape(shape)
