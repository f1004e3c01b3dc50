"""Packed weights in one memory-mapped file: written in place at the first start, and only mapped later.

The format is safetensors, so that other tools can read it. A file gets its final name only when it is complete and on
disk. A process killed earlier leaves a temporary file, which the next process that packs removes: the lock on the file
ended with the process. If the disk is full or not writable, the weights stay in memory.
"""

import contextlib
import json
import logging
import mmap
import os
import secrets
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from fireside.engine.onnx.layout import TensorSpec

logger = logging.getLogger(__name__)

ALIGNMENT = 64
_DTYPES = {"float32": "F32", "float16": "F16", "uint8": "U8"}
Tensors = dict[str, NDArray[np.generic]]


class PackedFile:
    """Arrays over one mapping.

    Args:
        specs: the tensors, in file order.
        path: final path of the file, or None to keep the weights in memory only.
        key: identifies what was packed and how; a file with another key is not used.
    """

    def __init__(self, specs: Sequence[TensorSpec], path: Path | None, key: str) -> None:
        self._path = path
        self._temporary: Path | None = None
        self._header, offsets, self._size = _header(specs, key)
        existing = _map_existing(path, self._header, self._size) if path else None
        self.warm = existing is not None
        self._memory = existing if existing is not None else self._create()
        if not self.warm:
            self._memory[: len(self._header)] = self._header
        self.tensors: Tensors = {
            spec.name: np.frombuffer(
                self._memory, dtype=spec.dtype, count=int(np.prod(spec.shape, dtype=np.int64)), offset=offset
            ).reshape(spec.shape)
            for spec, offset in zip(specs, offsets, strict=True)
        }

    def _create(self) -> mmap.mmap:
        if self._path is not None:
            try:
                return self._create_file(self._path)
            except OSError as error:
                logger.warning(
                    "cannot write the repacked weights; they stay in memory and are repacked at every start: %s", error
                )
                self.discard()
        return mmap.mmap(-1, self._size)

    def _create_file(self, path: Path) -> mmap.mmap:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_stale(path.parent)
        self._temporary = path.with_name(f"{path.name}.{secrets.token_hex(8)}.tmp")
        with self._temporary.open("x+b") as file:
            with contextlib.suppress(OSError):  # a file system without locks: no process can take the file for stale
                _lock(file)
            # Allocate the blocks now: a full disk is then an error here, and not a crash during packing.
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, self._size)
            else:
                file.truncate(self._size)
            return mmap.mmap(file.fileno(), self._size)  # mmap's copy of the descriptor keeps the lock

    def finish(self) -> None:
        """Flush the file to disk and give it its final name. Slow: call it when no request waits."""
        if self._path is None or self._temporary is None:
            return
        try:
            self._memory.flush()
            os.replace(self._temporary, self._path)
        except OSError as error:
            logger.warning("cannot save the repacked weights for the next start: %s", error)

    def discard(self) -> None:
        """Remove the file if it is not finished."""
        if self._temporary is not None:
            with contextlib.suppress(OSError):
                self._temporary.unlink()
        self._path = self._temporary = None

    def drop_pages(self) -> None:
        """Drop the mapped pages from this process's memory; they stay in the system's page cache."""
        if self._path is not None and hasattr(mmap, "MADV_DONTNEED"):
            self._memory.madvise(mmap.MADV_DONTNEED)


def _map_existing(path: Path, header: bytes, size: int) -> mmap.mmap | None:
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_size != size or file.read(len(header)) != header:
                return None
            return mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ)
    except OSError:
        return None


def _remove_stale(folder: Path) -> None:
    """Remove temporary files of processes that ended before they finished packing."""
    for path in folder.glob("*.safetensors.*.tmp"):
        # On Windows a file in use cannot be removed, so no lock is needed.
        with contextlib.suppress(OSError), path.open("rb") as file:
            _lock(file)
            if sys.platform == "win32":
                file.close()
            path.unlink()


def _lock(file: BinaryIO) -> None:
    """Lock the file until its last descriptor is closed. Raises OSError if another process has locked it."""
    if sys.platform != "win32":
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _header(specs: Sequence[TensorSpec], key: str) -> tuple[bytes, list[int], int]:
    """The header's bytes, the absolute offset of each tensor, and the file's size in bytes."""
    entries: dict[str, object] = {"__metadata__": {"key": key}}
    relative, offsets = 0, []
    for spec in specs:
        offsets.append(relative)
        padded = -(-spec.nbytes // ALIGNMENT) * ALIGNMENT
        # safetensors forbids gaps between tensors, so padding is a tensor with a name of its own.
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
