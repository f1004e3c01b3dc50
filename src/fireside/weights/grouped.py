"""4-bit linears with a scale for each group of inputs, as compressed-tensors and GPTQ store them."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fireside.errors import BadWeights, UnsupportedWeights
from fireside.weights.checkpoint import BlockLinear, Coding
from fireside.weights.nbits import dense_blocks, unpack_pairs
from fireside.weights.safetensors_file import StoredTensor

Arrays = tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.uint8] | None]
"""Codes [out, in] and zero points [out, groups], one a byte, from 0 to 15 (None: all are 8); scales [out, groups]."""

_BLOCKS = (128, 64, 32, 16)
_ROUNDED = Coding(8, 32)


@dataclass(frozen=True, slots=True)
class GroupedLinear:
    """See `QuantisedLinear`; weight = (code - zero) * scale.

    A group's columns mostly lie together, and the codes are run as they are. Where GPTQ has ordered the columns by
    activation they do not, and no block of the engine has one scale: then values are given, to be rounded to 8 bits.

    Args:
        group: columns that share a scale.
        order: int32 [in], the group of each column; None when each group's columns lie together.
        arrays: reads codes, scales and zero points.
    """

    tensors: frozenset[str]
    group: int
    order: NDArray[np.int32] | None
    arrays: Callable[[], Arrays]

    @property
    def coding(self) -> Coding:
        return Coding(4, _block(self.group), only=True) if self.order is None else _ROUNDED

    def read(self) -> NDArray[np.float32] | BlockLinear:
        """See `Checkpoint.linear`."""
        if self.order is not None:
            return self.dense()
        codes, scales, zeros = self.arrays()
        block = _block(self.group)
        repeats = self.group // block
        return BlockLinear(
            bits=4,
            block=block,
            codes=codes,
            scales=scales.repeat(repeats, axis=1),
            zeros=None if zeros is None else zeros.repeat(repeats, axis=1),
        )

    def dense(self) -> NDArray[np.float32]:
        """The values [out, in]."""
        codes, scales, zeros = self.arrays()
        if self.order is None:
            return dense_blocks(BlockLinear(4, self.group, codes, scales, zeros))
        values = codes.astype(np.float32)
        values -= 8 if zeros is None else zeros[:, self.order]
        values *= scales[:, self.order]
        return values


def check_group(file: Path, group: int) -> None:
    """Raise UnsupportedWeights, naming the config `file`, when groups of this many inputs cannot be run."""
    if group % _BLOCKS[-1]:
        raise UnsupportedWeights(
            f"{file.name}: a scale for each {group} inputs of a linear; Fireside runs groups that are a multiple of "
            f"{_BLOCKS[-1]}."
        )


def read_order(tensor: StoredTensor, group: int) -> NDArray[np.int32] | None:
    """The group of each column [in]; None when the groups follow each other, which -1 throughout says, too.

    Raises BadWeights when groups do not have `group` columns each.
    """
    order = np.asarray(tensor.map(), np.int32)
    plain = np.arange(order.size, dtype=np.int32) // group
    if np.array_equal(order, plain) or (order == -1).all():
        return None
    if order.min() < 0 or order.max() > plain[-1] or (np.bincount(order) != group).any():
        raise BadWeights(f"{tensor.path.name}: tensor {tensor.name} does not put {group} columns into each group.")
    return order


def unpack_words(words: NDArray[np.int32]) -> NDArray[np.uint8]:
    """Codes [rows, 8 * columns] of words [rows, columns] with eight codes each, the first in the lowest bits."""
    return unpack_pairs(np.ascontiguousarray(words, "<i4").view(np.uint8))


def _block(group: int) -> int:
    """The largest block, of those whose products are fast, that a group can be cut into."""
    return next(block for block in _BLOCKS if group % block == 0)
