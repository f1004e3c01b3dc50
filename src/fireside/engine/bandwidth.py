"""How fast this machine reads its memory, which is what bounds the speed of a single answer."""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numpy as np

_BYTES = 128 * 2**20
"""More than caches hold, and read in a few hundredths of a second."""
_ROUNDS = 4


@cache
def memory_bandwidth() -> float:
    """Bytes per second that all cores together read, measured once in a process: a quarter of a second.

    Of several rounds the fastest counts: others only slow it down.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    parts = np.array_split(np.ones(_BYTES // 8, np.int64), cores)
    fastest = float("inf")
    with ThreadPoolExecutor(cores) as pool:
        for _ in range(_ROUNDS):
            began = time.perf_counter()
            list(pool.map(np.add.reduce, parts))
            fastest = min(fastest, time.perf_counter() - began)
    return _BYTES / max(fastest, 1e-9)
