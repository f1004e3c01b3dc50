"""The header of one safetensors file, checked, and its tensors as mapped arrays."""

import json
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from fireside.errors import BadWeights
from fireside.weights.json_file import without_duplicates
from fireside.weights.mapping import map_array, widen_bfloat16

MAX_HEADER_BYTES = 1 << 24
"""A 7B model's header has 50 KB; the format's own limit, 100 MB, is far more than a sound file needs."""

_PIECE = 1 << 22
"""Values in a piece of a tensor."""
_DTYPES = {"F32": "<f4", "F16": "<f2", "BF16": "<u2", "I8": "i1", "I32": "<i4", "I64": "<i8"}


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """Where a tensor lies: `dtype` by safetensors' name, `offset` in bytes from the start of the file."""

    path: Path
    file_size: int
    name: str
    dtype: str
    shape: tuple[int, ...]
    offset: int

    def map(self) -> NDArray[np.generic]:
        """The tensor as a read-only mapped array; BF16 as its uint16 bit patterns. Raises BadWeights."""
        if self.dtype not in _DTYPES:
            raise BadWeights(
                f"{self.path.name}: tensor {self.name} has dtype {self.dtype}, not one of {', '.join(_DTYPES)}."
            )
        return map_array(self.path, self.file_size, self.offset, self.shape, _DTYPES[self.dtype])

    def float32(self) -> NDArray[np.float32]:
        """The tensor as float32: a mapped view when stored so, else a new array. Raises BadWeights."""
        return self._widened(self.map())

    def pieces(self) -> Iterator[tuple[slice, NDArray[np.float32]]]:
        """The tensor as float32, some rows at a time, so that no large copy is made: which rows, and their values.

        Raises BadWeights.
        """
        values = self.map()
        step = max(1, _PIECE // max(1, prod(self.shape[1:])))
        for start in range(0, self.shape[0], step):
            rows = slice(start, start + step)
            yield rows, self._widened(values[rows])

    def _widened(self, values: NDArray[np.generic]) -> NDArray[np.float32]:
        if self.dtype == "BF16":
            return widen_bfloat16(cast(NDArray[np.uint16], values))
        return values.astype(np.float32, copy=False)


@dataclass(frozen=True, slots=True)
class SafetensorsFile:
    """A checked header. `header_size` is the bytes before the tensors' data."""

    path: Path
    header_size: int
    tensors: Mapping[str, StoredTensor]


def read_safetensors(path: Path, max_header_bytes: int = MAX_HEADER_BYTES) -> SafetensorsFile:
    """Read and check the header of `path`. Raises BadWeights when the file is truncated, corrupt or inconsistent."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(0)
            header_size = 8 + struct.unpack("<Q", file.read(8))[0]
            if max_header_bytes < header_size - 8 < size:
                raise BadWeights(f"{path.name}: its header has {header_size - 8} bytes, more than {max_header_bytes}.")
            # The format's own library refuses cut headers, holes, overlaps and sizes unlike dtype and shape.
            with safe_open(path, framework="numpy"):
                pass
            header = json.loads(file.read(header_size - 8), object_pairs_hook=without_duplicates)
    except OSError as error:
        raise BadWeights(f"{path.name}: cannot be read: {error.strerror or type(error).__name__}.") from error
    except (SafetensorError, ValueError, struct.error) as error:
        raise BadWeights(f"{path.name}: not a sound safetensors file: {error}") from error
    tensors = {
        name: StoredTensor(
            path, size, name, entry["dtype"], tuple(entry["shape"]), header_size + entry["data_offsets"][0]
        )
        for name, entry in header.items()
        if name != "__metadata__"
    }
    return SafetensorsFile(path, header_size, tensors)


def check_shape(tensor: StoredTensor, shape: tuple[int, ...], dtypes: tuple[str, ...]) -> None:
    """Raise BadWeights unless the tensor has this shape and one of these dtypes."""
    if tensor.shape != shape:
        raise BadWeights(
            f"{tensor.path.name}: tensor {tensor.name} has shape {list(tensor.shape)}; config.json asks for "
            f"{list(shape)}."
        )
    if tensor.dtype not in dtypes:
        raise BadWeights(
            f"{tensor.path.name}: tensor {tensor.name} has dtype {tensor.dtype}, not {' or '.join(dtypes)}."
        )
