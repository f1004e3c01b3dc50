"""Reads the header of a GGUF file (versions 2 and 3, little-endian) and finds its tensors.

Nothing the header says is believed before it is checked against the file's own length: counts, lengths, offsets
and sizes (CVE-2026-7482 is what happens otherwise). Format: the ggml project's `docs/gguf.md`.
"""

import mmap
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from fireside.errors import BadWeights, UnsupportedWeights
from fireside.weights.dequantise import GGML_TYPES, UNSUPPORTED_GGML_TYPES, GgmlType, dequantise
from fireside.weights.mapping import map_array

_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9

# Real files stay far below these; together with the file's length they bound the work a hostile header can ask for.
_MAX_ENTRIES = 1 << 16
_MAX_ELEMENTS = 1 << 23
_MAX_STRING = 1 << 24
_MAX_NAME = 1 << 16
_MAX_NESTING = 3
_MAX_ALIGNMENT = 1 << 16


@dataclass(frozen=True, slots=True)
class GgufTensor:
    """Where a tensor lies.

    Args:
        shape: numpy's order, the longest stride first: [out, in] for a linear.
        offset: bytes from the start of the file.
    """

    name: str
    shape: tuple[int, ...]
    kind: GgmlType
    offset: int


@dataclass(frozen=True, slots=True)
class GgufFile:
    """A checked GGUF header.

    Args:
        metadata: key to int, float, bool, str, list (of strings or lists), or read-only numpy array (of numbers).
        header_size: bytes before the tensors' data.
    """

    path: Path
    size: int
    header_size: int
    metadata: Mapping[str, object]
    tensors: Mapping[str, GgufTensor]

    def rows(self, name: str) -> NDArray[np.uint8]:
        """The tensor's bytes [rows, bytes of a row], mapped. Raises BadWeights as `read` does."""
        tensor = self.tensors.get(name)
        if tensor is None:
            raise BadWeights(f"{self.path.name}: has no tensor {name}.")
        kind = tensor.kind
        shape = (prod(tensor.shape[:-1]), tensor.shape[-1] // kind.block_size * kind.block_bytes)
        return cast(NDArray[np.uint8], map_array(self.path, self.size, tensor.offset, shape, np.uint8))

    def read(self, name: str) -> NDArray[np.float32]:
        """The tensor as float32. Raises BadWeights when there is none of this name or the file has changed."""
        rows = self.rows(name)
        return dequantise(rows, self.tensors[name].kind).reshape(self.tensors[name].shape)


def read_gguf(path: Path) -> GgufFile:
    """Read and check the header of `path`; tensors are read later, one by one.

    Raises BadWeights when the file is truncated, corrupt or lies about its content, and UnsupportedWeights for a
    version or tensor type that Fireside does not read.
    """
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            if size < 24:
                raise BadWeights(f"{path.name}: {size} bytes are too few for a GGUF file; it seems truncated.")
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as view:
                return _Header(path, view, size).parse()
    except OSError as error:
        raise BadWeights(f"{path.name}: cannot be read: {error.strerror}.") from error


class _Header:
    """A cursor over the header's bytes; every read goes through a check against the file's end."""

    def __init__(self, path: Path, view: mmap.mmap, size: int) -> None:
        self._path = path
        self._view = view
        self._size = size
        self._position = 0
        self._elements = 0

    def parse(self) -> GgufFile:
        magic, version = self._bytes(4, "magic"), self._integer("I", "version")
        if magic != b"GGUF":
            raise self._bad(f"begins with {magic!r}, so it is not a GGUF file")
        if version not in (2, 3):
            if version in (2 << 24, 3 << 24):
                raise UnsupportedWeights(
                    f"{self._path.name}: a big-endian GGUF file; Fireside reads little-endian ones."
                )
            raise UnsupportedWeights(f"{self._path.name}: GGUF version {version}; Fireside reads versions 2 and 3.")
        tensor_count = self._count("tensor count", _MAX_ENTRIES, least_bytes=24)
        metadata_count = self._count("metadata count", _MAX_ENTRIES, least_bytes=13)
        metadata: dict[str, object] = {}
        for index in range(metadata_count):
            key = self._string(f"metadata key {index}", _MAX_NAME)
            if key in metadata:
                raise self._bad(f"metadata key {key} occurs twice")
            metadata[key] = self._value(self._integer("I", f"type of {key}"), key, 0)
        alignment = metadata.get("general.alignment", 32)
        if not isinstance(alignment, int) or not 8 <= alignment <= _MAX_ALIGNMENT or alignment & (alignment - 1):
            raise self._bad(f"general.alignment is {alignment!r}, not a power of two from 8 to {_MAX_ALIGNMENT}")
        tensors: dict[str, GgufTensor] = {}
        for index in range(tensor_count):
            tensor = self._tensor(index, alignment)
            if tensor.name in tensors:
                raise self._bad(f"tensor {tensor.name} occurs twice")
            tensors[tensor.name] = tensor
        start = -(-self._position // alignment) * alignment
        return GgufFile(self._path, self._size, start, metadata, self._place(tensors, start))

    def _tensor(self, index: int, alignment: int) -> GgufTensor:
        name = self._string(f"name of tensor {index}", _MAX_NAME)
        dimensions = self._integer("I", f"dimensions of {name}")
        if not 1 <= dimensions <= 4:
            raise self._bad(f"tensor {name} has {dimensions} dimensions, not 1 to 4")
        sizes = [self._integer("Q", f"shape of {name}") for _ in range(dimensions)]
        code = self._integer("I", f"type of {name}")
        offset = self._integer("Q", f"offset of {name}")
        kind = GGML_TYPES.get(code)
        if kind is None:
            if code in UNSUPPORTED_GGML_TYPES:
                raise UnsupportedWeights(
                    f"{self._path.name}: tensor {name} has type {UNSUPPORTED_GGML_TYPES[code]}; Fireside reads "
                    f"{', '.join(known.name for known in GGML_TYPES.values())}."
                )
            raise self._bad(f"tensor {name} has an unknown type {code}")
        if min(sizes) < 1 or max(sizes) > self._size * kind.block_size:
            raise self._bad(f"tensor {name} has shape {sizes[::-1]}, which cannot fit the file")
        if sizes[0] % kind.block_size:
            raise self._bad(f"tensor {name} has rows of {sizes[0]}, not a multiple of {kind.name}'s {kind.block_size}")
        if offset % alignment:
            raise self._bad(f"tensor {name} has offset {offset}, not a multiple of {alignment}")
        return GgufTensor(name, tuple(sizes[::-1]), kind, offset)

    def _place(self, tensors: dict[str, GgufTensor], start: int) -> dict[str, GgufTensor]:
        """Offsets from the file's start, checked to lie within the file and not within each other."""
        end, previous = start, ""
        placed: dict[str, GgufTensor] = {}
        for tensor in sorted(tensors.values(), key=lambda tensor: tensor.offset):
            offset = start + tensor.offset
            if offset < end:
                raise self._bad(f"tensors {previous} and {tensor.name} overlap")
            end, previous = offset + prod(tensor.shape) // tensor.kind.block_size * tensor.kind.block_bytes, tensor.name
            if end > self._size:
                raise self._bad(
                    f"tensor {tensor.name} ends at byte {end}, but the file has {self._size}; it seems truncated"
                )
            placed[tensor.name] = GgufTensor(tensor.name, tensor.shape, tensor.kind, offset)
        return placed

    def _value(self, kind: int, key: str, depth: int) -> object:
        if kind in _SCALARS:
            return self._number(_SCALARS[kind], key)
        if kind == _STRING:
            return self._string(key, _MAX_STRING)
        if kind != _ARRAY:
            raise self._bad(f"metadata {key} has an unknown type {kind}")
        if depth == _MAX_NESTING:
            raise self._bad(f"metadata {key} is nested more than {_MAX_NESTING} deep")
        element = self._integer("I", f"element type of {key}")
        if element in _SCALARS:
            dtype = np.dtype("<" + _SCALARS[element])
            count = self._count(f"length of {key}", _MAX_ELEMENTS, dtype.itemsize)
            return np.frombuffer(self._bytes(count * dtype.itemsize, key), dtype)
        if element == _STRING:
            return self._strings(self._count(f"length of {key}", _MAX_ELEMENTS, least_bytes=8), key)
        count = self._count(f"length of {key}", _MAX_ELEMENTS, least_bytes=12)
        return [self._value(element, key, depth + 1) for _ in range(count)]

    def _strings(self, count: int, key: str) -> list[str]:
        """Many strings: one loop without calls of our own, since a vocabulary has 100,000 of them."""
        view, position, end = self._view, self._position, self._size
        read_length = struct.Struct("<Q").unpack_from
        strings: list[str] = []
        try:
            for _ in range(count):
                start = position + 8
                position = start + read_length(view, position)[0]
                if position > end:
                    raise self._bad(f"a string of {key} runs past the file's end")
                strings.append(str(view[start:position], "utf-8"))
        except (struct.error, UnicodeDecodeError) as error:
            raise self._bad(f"string {len(strings)} of {key} cannot be read: {error}") from error
        self._position = position
        return strings

    def _string(self, what: str, limit: int) -> str:
        length = self._integer("Q", f"length of {what}")
        if length > limit:
            raise self._bad(f"{what} has {length} bytes, more than {limit}")
        try:
            return str(self._bytes(length, what), "utf-8")
        except UnicodeDecodeError as error:
            raise self._bad(f"{what} is not UTF-8") from error

    def _count(self, what: str, limit: int, least_bytes: int) -> int:
        """A number of things of which each needs `least_bytes` of what is left of the file."""
        count = self._integer("Q", what)
        self._elements += count
        if self._elements > limit or count * least_bytes > self._size - self._position:
            raise self._bad(f"{what} is {count}, more than the file can hold or Fireside reads")
        return count

    def _integer(self, code: str, what: str) -> int:
        return int(self._number(code, what))

    def _number(self, code: str, what: str) -> int | float | bool:
        value: int | float | bool = struct.unpack("<" + code, self._bytes(struct.calcsize("<" + code), what))[0]
        return value

    def _bytes(self, length: int, what: str) -> bytes:
        start, self._position = self._position, self._position + length
        if self._position > self._size:
            raise self._bad(f"ends within its header, at {what}; it seems truncated")
        return self._view[start : self._position]

    def _bad(self, why: str) -> BadWeights:
        return BadWeights(f"{self._path.name}: {why}.")
