"""Packs linears for ONNX Runtime's MatMulNBits operator, in numpy alone.

The operator's layout, for a weight [out, in] in blocks of `block` values along `in`, weight = (code - zero) * scale:

- codes: uint8 [out, in / block, block * bits / 8]; with 4 bits two codes a byte, the earlier one in the low nibble;
- scales: float32 [out, in / block];
- zero points: uint8 [out, ceil(in / block / 2)] with 4 bits, packed as the codes are; none with 8 bits: 128 is zero.

Source: ONNX Runtime's `docs/ContribOperators.md`, com.microsoft.MatMulNBits.
"""

import numpy as np
from numpy.typing import NDArray

from fireside.errors import BadWeights, UnsupportedWeights
from fireside.weights.checkpoint import AwqLinear, BlockLinear

AWQ_COLUMNS = (0, 2, 4, 6, 1, 3, 5, 7)
"""Column, of each eight, that AWQ keeps in nibble 0, 1, ... 7 of an int32."""

# A tile and its scratch (1.5 MiB) stay close to the second-level cache, yet are large enough to hide the cost of calls.
_TILE_ROWS, _TILE_WORDS = 1024, 256
_CHUNK_VALUES = 1 << 18
_SWAPS = ((4, 0x0F0F0F0F), (8, 0x00FF00FF), (16, 0x0000FFFF))


def pack_awq(
    linear: AwqLinear, codes: NDArray[np.uint8], scales: NDArray[np.float32], zeros: NDArray[np.uint8]
) -> None:
    """Write an AWQ linear into 4-bit MatMulNBits tensors, bit for bit.

    Args:
        codes: C-contiguous, filled in place; shapes as in the module's text.
        scales: filled in place.
        zeros: filled in place.

    Safe to call from several threads at once for different layers; numpy lets go of the GIL in the long steps.
    Raises ValueError when the outputs do not have the linear's shapes.
    """
    rows, words = linear.qweight.shape
    groups, columns = rows // linear.group_size, words * 8
    wanted = ((columns, groups, linear.group_size // 2), (columns, groups), (columns, (groups + 1) // 2))
    if (codes.shape, scales.shape, zeros.shape) != wanted or not codes.flags.c_contiguous:
        raise ValueError(f"outputs have shapes {codes.shape}, {scales.shape}, {zeros.shape}; the linear needs {wanted}")
    _transpose_nibbles(linear.qweight.view(np.uint32), codes.reshape(words, 8, rows // 2).view(np.uint32))
    scales[...] = linear.scales.T
    zeros[...] = _pack_pairs(_unpack_awq(linear.qzeros).T)


def unpack_awq(linear: AwqLinear) -> BlockLinear:
    """The same linear, a code a byte."""
    return BlockLinear(
        bits=4,
        block=linear.group_size,
        codes=_unpack_awq(linear.qweight).T,
        scales=linear.scales.T.astype(np.float32),
        zeros=_unpack_awq(linear.qzeros).T,
    )


def dense_blocks(linear: BlockLinear) -> NDArray[np.float32]:
    """The linear's values."""
    zeros = np.float32(1 << (linear.bits - 1)) if linear.zeros is None else linear.zeros[..., None].astype(np.float32)
    codes = linear.codes.reshape(*linear.scales.shape, linear.block).astype(np.float32)
    return ((codes - zeros) * linear.scales[..., None]).reshape(linear.codes.shape)


def pack_blocks(
    linear: BlockLinear,
    block: int,
    codes: NDArray[np.uint8],
    scales: NDArray[np.float32],
    zeros: NDArray[np.uint8] | None,
) -> None:
    """Write integer codes into MatMulNBits tensors of 4 bits (with `zeros`) or 8 bits (without), value for value.

    Args:
        block: of the tensors; the linear's own, or one that divides it.
        codes: filled in place; shapes as in the module's text.
        scales: filled in place.
        zeros: filled in place, or None for 8 bits.

    Codes of 8 bits have no zero points, and do not go into 4.
    """
    repeats = linear.block // block
    middle = 1 << (linear.bits - 1)
    scales[...] = np.repeat(linear.scales, repeats, axis=1)
    if zeros is not None:
        codes[...] = _pack_pairs(linear.codes).reshape(codes.shape)
        own = np.full(linear.scales.shape, middle, np.uint8) if linear.zeros is None else linear.zeros
        zeros[...] = _pack_pairs(np.repeat(own, repeats, axis=1))
        return
    if linear.zeros is None:
        codes[...] = (linear.codes + np.uint8(128 - middle)).reshape(codes.shape)
        return
    codes[...] = linear.codes.reshape(codes.shape) + np.uint8(128)
    codes[...] -= np.repeat(linear.zeros, repeats, axis=1)[..., None]


def quantize(
    weight: NDArray[np.float32], bits: int, block_size: int
) -> tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.uint8] | None]:
    """Round a float32 weight [out, in] to MatMulNBits codes, scales and zero points, nearest value first.

    8 bits are symmetric about code 128 and have no zero points; 4 bits have too few codes to waste any on a side that a
    block does not use, so each block has a zero point.

    Raises UnsupportedWeights when `in` is not a multiple of `block_size`, BadWeights when a value is not finite.
    """
    rows, columns = weight.shape
    if columns % block_size:
        raise UnsupportedWeights(f"A linear of input width {columns} cannot be cut into blocks of {block_size}.")
    blocks = columns // block_size
    codes = np.empty((rows, blocks, block_size * bits // 8), np.uint8)
    scales = np.empty((rows, blocks), np.float32)
    zeros = np.empty((rows, (blocks + 1) // 2), np.uint8) if bits == 4 else None
    step = max(1, _CHUNK_VALUES // columns)
    with np.errstate(all="ignore"):  # what is not finite is found below
        for start in range(0, rows, step):
            part = slice(start, start + step)
            values = weight[part].reshape(-1, blocks, block_size)
            if zeros is None:
                _quantize_8(values, codes[part], scales[part])
            else:
                _quantize_4(values, codes[part], scales[part], zeros[part])
    if not np.isfinite(scales).all():
        raise BadWeights("A linear has weights that are infinite, not a number, or too large to quantise.")
    return codes, scales, zeros


def choose_block_size(width: int) -> int:
    """Values that share a scale, for a linear of input width `width`. Raises UnsupportedWeights when none fits."""
    # Narrow models have little redundancy and little to read: they get the most exact block, wide ones the fastest.
    for block_size in (32, 64, 128) if width < 2048 else (128, 64, 32):
        if width % block_size == 0:
            return block_size
    raise UnsupportedWeights(f"A linear of input width {width} cannot be cut into blocks of 32, 64 or 128.")


def _transpose_nibbles(source: NDArray[np.uint32], target: NDArray[np.uint32]) -> None:
    """From AWQ's words (eight columns of a row) [in, out / 8] to words of eight rows of a column [out / 8, 8, in / 8].

    Each 8 by 8 square of nibbles is transposed by exchanging halves three times (Hacker's Delight, 7-3), all squares
    of a tile at once; then the words themselves change places.
    """
    rows, words = source.shape
    tile = np.empty(_TILE_ROWS * _TILE_WORDS, np.uint32)
    scratch = np.empty(_TILE_ROWS * _TILE_WORDS // 2, np.uint32)
    for top in range(0, rows, _TILE_ROWS):
        height = min(_TILE_ROWS, rows - top) // 8
        for left in range(0, words, _TILE_WORDS):
            width = min(_TILE_WORDS, words - left)
            squares = tile[: 8 * height * width].reshape(8, height, width)
            cut = source[top : top + 8 * height, left : left + width]
            np.copyto(squares.transpose(1, 0, 2), cut.reshape(height, 8, width))
            for level, (shift, mask) in enumerate(_SWAPS):
                pairs = squares.reshape(4 >> level, 2, 1 << level, height, width)
                _exchange(pairs[:, 0], pairs[:, 1], np.uint32(shift), np.uint32(mask), scratch)
            for nibble, column in enumerate(AWQ_COLUMNS):
                target[left : left + width, column, top // 8 : top // 8 + height] = squares[nibble].T


def _exchange(
    low: NDArray[np.uint32], high: NDArray[np.uint32], shift: np.uint32, mask: np.uint32, scratch: NDArray[np.uint32]
) -> None:
    """Swap, in place, the bits of `low` at `mask << shift` with those of `high` at `mask`."""
    moved = scratch[: low.size].reshape(low.shape)
    np.right_shift(low, shift, out=moved)
    np.bitwise_xor(moved, high, out=moved)
    np.bitwise_and(moved, mask, out=moved)
    np.bitwise_xor(high, moved, out=high)
    np.left_shift(moved, shift, out=moved)
    np.bitwise_xor(low, moved, out=low)


def _unpack_awq(packed: NDArray[np.int32]) -> NDArray[np.uint8]:
    """Codes [rows, columns] of AWQ words [rows, columns / 8]."""
    words = packed.view(np.uint32)
    codes = np.empty((*words.shape, 8), np.uint8)
    for nibble, column in enumerate(AWQ_COLUMNS):
        codes[:, :, column] = (words >> np.uint32(4 * nibble)) & np.uint32(15)
    return codes.reshape(len(words), -1)


def unpack_pairs(packed: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Codes [rows, 2 * bytes] of two a byte [rows, bytes], the low nibble first."""
    return np.stack((packed & 15, packed >> 4), axis=-1).reshape(len(packed), -1)


def _pack_pairs(codes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Two codes a byte along the last axis, the earlier one low; an odd last one gets a zero beside it."""
    packed = codes[..., 0::2].copy()
    odd = codes[..., 1::2]
    packed[..., : odd.shape[-1]] |= odd << 4
    return packed


def _quantize_8(values: NDArray[np.float32], codes: NDArray[np.uint8], scales: NDArray[np.float32]) -> None:
    np.divide(np.abs(values).max(axis=-1), 127, out=scales)
    codes[...] = _to_codes(values, scales, np.float32(128), 255)


def _quantize_4(
    values: NDArray[np.float32], codes: NDArray[np.uint8], scales: NDArray[np.float32], zeros: NDArray[np.uint8]
) -> None:
    low = np.minimum(values.min(axis=-1), 0)  # zero itself must have a code
    np.divide(np.maximum(values.max(axis=-1), 0) - low, 15, out=scales)
    zero = np.rint(-low * _inverse(scales)).clip(0, 15)
    codes[...] = _pack_pairs(_to_codes(values, scales, zero[..., None], 15))
    zeros[...] = _pack_pairs(zero.astype(np.uint8))


def _to_codes(
    values: NDArray[np.float32], scales: NDArray[np.float32], zero: NDArray[np.float32] | np.float32, most: int
) -> NDArray[np.uint8]:
    scaled = values * _inverse(scales)[..., None]
    np.rint(scaled, out=scaled)
    scaled += zero
    np.clip(scaled, 0, most, out=scaled)
    return scaled.astype(np.uint8)


def _inverse(scales: NDArray[np.float32]) -> NDArray[np.float32]:
    """1 / scale, and 0 where a block is all zeros (or so small that its scale has no inverse) or not finite."""
    usable = (scales >= np.finfo(np.float32).tiny) & (scales < np.inf)
    return np.divide(1, scales, out=np.zeros_like(scales), where=usable)
