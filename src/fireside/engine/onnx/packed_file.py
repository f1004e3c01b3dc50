"""Packed weights in one memory-mapped file: filled in place at the first start, only mapped at the next ones.

The format is safetensors, so that any tool can look into it. A file appears under its final name only when it is
whole and on disk; a process killed before leaves a temporary file, which the next start removes.
"""

import json
import mmap
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fireside.engine.onnx.layout import TensorSpec

ALIGNMENT = 64
_DTYPES = {"float32": "F32", "float16": "F16", "uint8": "U8"}
Tensors = dict[str, NDArray[np.generic]]


class PackedFile:
    """Arrays over one mapping.

    Args:
        specs: the tensors, in file order.
        path: final place of the file, or None to stay in memory only.
        key: says what was packed how; a file with another key is not this one.
    """

    def __init__(self, specs: Sequence[TensorSpec], path: Path | None, key: str) -> None:
        self._path = path
        self._header, offsets, self._size = _header(specs, key)
        self._memory: mmap.mmap
        self.warm = False
        if path is not None and self._open_existing(path):
            self.warm = True
        else:
            self._create()
        self.tensors: Tensors = {
            spec.name: np.frombuffer(
                self._memory, dtype=spec.dtype, count=int(np.prod(spec.shape, dtype=np.int64)), offset=offset
            ).reshape(spec.shape)
            for spec, offset in zip(specs, offsets, strict=True)
        }

    def _open_existing(self, path: Path) -> bool:
        try:
            with path.open("rb") as file:
                if os.fstat(file.fileno()).st_size != self._size or file.read(len(self._header)) != self._header:
                    return False
                self._memory = mmap.mmap(file.fileno(), self._size, access=mmap.ACCESS_READ)
        except FileNotFoundError:
            return False
        return True

    @property
    def _temporary(self) -> Path | None:
        return self._path.with_name(f"{self._path.name}.{os.getpid()}.tmp") if self._path else None

    def _create(self) -> None:
        if self._temporary is None:
            self._memory = mmap.mmap(-1, self._size)
        else:
            self._temporary.parent.mkdir(parents=True, exist_ok=True)
            for stale in self._temporary.parent.glob("*.tmp"):
                stale.unlink(missing_ok=True)
            with self._temporary.open("w+b") as file:
                try:
                    # Real blocks, not a hole: a full disk is an error here rather than a crash in mid-packing.
                    if hasattr(os, "posix_fallocate"):
                        os.posix_fallocate(file.fileno(), 0, self._size)
                    else:
                        file.truncate(self._size)
                    self._memory = mmap.mmap(file.fileno(), self._size)
                except OSError:
                    self._temporary.unlink(missing_ok=True)
                    self._path = None
                    self._memory = mmap.mmap(-1, self._size)
        self._memory[: len(self._header)] = self._header

    def finish(self) -> None:
        """Bring the file to disk and give it its name. Slow: call it when nobody waits."""
        if self.warm or self._path is None or self._temporary is None:
            return
        self._memory.flush()
        os.replace(self._temporary, self._path)

    def drop_pages(self) -> None:
        """Take the mapped pages out of this process's memory; they stay in the system's cache of the file."""
        if self._path is not None and hasattr(mmap, "MADV_DONTNEED"):
            self._memory.madvise(mmap.MADV_DONTNEED)


def _header(specs: Sequence[TensorSpec], key: str) -> tuple[bytes, list[int], int]:
    """Header bytes, absolute offset of each tensor, and the file's size."""
    entries: dict[str, object] = {"__metadata__": {"key": key}}
    relative, offsets = 0, []
    for spec in specs:
        offsets.append(relative)
        padded = -(-spec.nbytes // ALIGNMENT) * ALIGNMENT
        # Padding would be a hole, which safetensors forbids: name it as a tensor of its own.
        entries[spec.name] = {
            "dtype": _DTYPES[spec.dtype.name],
            "shape": list(spec.shape),
            "data_offsets": [relative, relative + spec.nbytes],
        }
        if padded > spec.nbytes:
            entries[f"{spec.name}.padding"] = {
                "dtype": "U8",
                "shape": [padded - spec.nbytes],
                "data_offsets": [relative + spec.nbytes, relative + padded],
            }
        relative += padded
    text = json.dumps(entries).encode()
    start = -(-(8 + len(text)) // ALIGNMENT) * ALIGNMENT
    text = text.ljust(start - 8)
    return len(text).to_bytes(8, "little") + text, [start + offset for offset in offsets], start + relative
