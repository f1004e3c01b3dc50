"""Mapped views of parts of weight files: read when touched, given back when the array is dropped."""

import mmap
from collections.abc import Sequence
from math import prod
from pathlib import Path

import numpy as np
from numpy.typing import DTypeLike, NDArray

from fireside.errors import BadWeights


def map_array(path: Path, file_size: int, offset: int, shape: Sequence[int], dtype: DTypeLike) -> NDArray[np.generic]:
    """A read-only array over the bytes of `path` that begin at `offset`, in the machine's little-endian order.

    Each array has a mapping of its own, so that memory held for a tensor goes when the tensor goes: a 7B checkpoint is
    read and repacked tensor by tensor without ever being resident as a whole.

    Args:
        file_size: bytes the file had when its header was read; a file that changed since is refused.

    Raises BadWeights when the bytes do not lie within the file.
    """
    kind = np.dtype(dtype)
    length = prod(shape) * kind.itemsize
    if offset < 0 or offset + length > file_size:
        raise BadWeights(f"{path.name}: bytes {offset} to {offset + length} lie outside the file of {file_size} bytes.")
    if length == 0:
        return np.empty(shape, kind)
    start = offset - offset % mmap.ALLOCATIONGRANULARITY
    try:
        with path.open("rb") as file:
            if (size := file.seek(0, 2)) != file_size:
                raise BadWeights(f"{path.name}: the file had {file_size} bytes when it was opened and has {size} now.")
            view = mmap.mmap(file.fileno(), offset - start + length, access=mmap.ACCESS_READ, offset=start)
    except OSError as error:
        raise BadWeights(f"{path.name}: cannot be read: {error.strerror}.") from error
    return np.frombuffer(view, kind, prod(shape), offset - start).reshape(shape)


def narrow_to_bfloat16(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Finite values rounded to what bfloat16 holds, to nearest and ties to even."""
    bits = values.view(np.uint32)
    upper = (bits + (0x7FFF + ((bits >> 16) & 1)).astype(np.uint32)) >> 16
    return widen_bfloat16(upper.astype(np.uint16))


def widen_bfloat16(bits: NDArray[np.uint16]) -> NDArray[np.float32]:
    """bfloat16 bit patterns as float32, exactly: a bfloat16 is the upper half of a float32."""
    wide = bits.astype(np.uint32)
    wide <<= 16
    return wide.view(np.float32)
