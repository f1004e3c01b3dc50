"""The storage types of ggml: their sizes, their values as float32, and which of them are integers times a scale.

The arithmetic of the block formats is the `gguf` package's, which ggml's authors maintain, except for the newest ones.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fireside.weights.nbits import unpack_pairs

BLOCK = 32
"""Values that share a scale in what the engine runs: no format here has larger blocks with one scale only."""


@dataclass(frozen=True, slots=True)
class GgmlType:
    """A storage type: `block_size` values take `block_bytes` bytes. `code` is ggml's own number."""

    code: int
    name: str
    block_size: int
    block_bytes: int

    @property
    def exact_bits(self) -> int | None:
        """Bits of integer codes that, with a scale for each 32, hold these very values; None when none do."""
        return (4 if self.name in _FOUR_BITS else 8) if self.name in _SCALES else None

    @property
    def is_quantised(self) -> bool:
        return self.block_size > 1


GGML_TYPES = {
    kind.code: kind
    for kind in (
        GgmlType(0, "F32", 1, 4),
        GgmlType(1, "F16", 1, 2),
        GgmlType(30, "BF16", 1, 2),
        GgmlType(2, "Q4_0", 32, 18),
        GgmlType(3, "Q4_1", 32, 20),
        GgmlType(6, "Q5_0", 32, 22),
        GgmlType(7, "Q5_1", 32, 24),
        GgmlType(8, "Q8_0", 32, 34),
        GgmlType(10, "Q2_K", 256, 84),
        GgmlType(11, "Q3_K", 256, 110),
        GgmlType(12, "Q4_K", 256, 144),
        GgmlType(13, "Q5_K", 256, 176),
        GgmlType(14, "Q6_K", 256, 210),
        GgmlType(19, "IQ1_S", 256, 50),
        GgmlType(29, "IQ1_M", 256, 56),
        GgmlType(16, "IQ2_XXS", 256, 66),
        GgmlType(17, "IQ2_XS", 256, 74),
        GgmlType(22, "IQ2_S", 256, 82),
        GgmlType(18, "IQ3_XXS", 256, 98),
        GgmlType(21, "IQ3_S", 256, 110),
        GgmlType(20, "IQ4_NL", 32, 18),
        GgmlType(23, "IQ4_XS", 256, 136),
        GgmlType(34, "TQ1_0", 256, 54),
        GgmlType(35, "TQ2_0", 256, 66),
        GgmlType(39, "MXFP4", 32, 17),
        GgmlType(41, "Q1_0", 128, 18),
        GgmlType(42, "Q2_0", 64, 18),
    )
}
"""By ggml's own numbers: all that llama-quantize writes for a Llama or Mistral."""

UNSUPPORTED_GGML_TYPES = {
    9: "Q8_1", 15: "Q8_K", 24: "I8", 25: "I16", 26: "I32", 27: "I64", 28: "F64", 40: "NVFP4",
}  # fmt: skip
"""Types that exist, for a message that names them."""


def dequantise(rows: NDArray[np.uint8], kind: GgmlType) -> NDArray[np.float32]:
    """Values of `rows` (uint8 [n, bytes of a row]) as float32 [n, values of a row]."""
    if kind.name in _NEWER:
        with np.errstate(all="ignore"):
            return _NEWER[kind.name](rows.reshape(-1, kind.block_bytes)).reshape(len(rows), -1)
    # Takes a moment to import, and a file of floats or a look at a header does not need it.
    from gguf.constants import GGMLQuantizationType
    from gguf.quants import dequantize

    with np.errstate(all="ignore"):  # what is not finite is found when it is packed
        values: NDArray[np.float32] = dequantize(rows, GGMLQuantizationType(kind.code))
    return values.astype(np.float32, copy=False)


def exact_codes(rows: NDArray[np.uint8], kind: GgmlType) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """The same values as integers from -128 to 127 [n, values] times a scale for each 32 [n, values / 32], exactly.

    For types that have `exact_bits`; where these are 4, integers from -8 to 7. Raises ValueError when a value is not
    finite.
    """
    values = dequantise(rows, kind).reshape(len(rows), -1, BLOCK)
    with np.errstate(all="ignore"):
        scales = _SCALES[kind.name](rows.reshape(-1, kind.block_bytes)).astype(np.float32).reshape(len(rows), -1, 1)
        codes = np.rint(np.divide(values, scales, out=np.zeros_like(values), where=scales != 0))
        if not (np.isfinite(values).all() and np.array_equal(codes * scales, values)):
            raise ValueError("values that are infinite or not a number")
    return codes.astype(np.int8).reshape(len(rows), -1), scales[..., 0]


Blocks = NDArray[np.uint8]


def _half(blocks: Blocks, start: int = 0) -> NDArray[Any]:
    """The float16 at byte `start` of each block, [n, 1]."""
    return np.ascontiguousarray(blocks[:, start : start + 2]).view("<f2").astype(np.float32)


def _words(blocks: Blocks, start: int, end: int, dtype: str) -> NDArray[Any]:
    return np.ascontiguousarray(blocks[:, start:end]).view(dtype)


def _iq4_xs(blocks: Blocks) -> NDArray[Any]:
    high = (_words(blocks, 2, 4, "<u2") >> np.arange(0, 16, 2, dtype=np.uint16)) & 3
    scales: NDArray[np.float32] = _half(blocks) * ((unpack_pairs(blocks[:, 4:8]) | (high << 4)).astype(np.float32) - 32)
    return scales


def _iq1_s(blocks: Blocks) -> NDArray[Any]:
    scales: NDArray[np.float32] = _half(blocks) * (2 * ((_words(blocks, 34, 50, "<u2") >> 12) & 7) + 1) / 8
    return scales


def _iq2_xxs(blocks: Blocks) -> NDArray[Any]:
    scales: NDArray[np.float32] = (
        _half(blocks) * ((_words(blocks, 2, 66, "<u4")[:, 1::2] >> 28).astype(np.float32) + 0.5) / 4
    )
    return scales


def _iq3_xxs(blocks: Blocks) -> NDArray[Any]:
    scales: NDArray[np.float32] = _half(blocks) * ((_words(blocks, 66, 98, "<u4") >> 28).astype(np.float32) + 0.5) / 2
    return scales


def _iq3_s(blocks: Blocks) -> NDArray[Any]:
    scales: NDArray[np.float32] = _half(blocks) * (2 * unpack_pairs(blocks[:, 106:110]).astype(np.float32) + 1)
    return scales


def _q1_0(blocks: Blocks) -> NDArray[np.float32]:
    signs = np.unpackbits(blocks[:, 2:], axis=-1, bitorder="little").astype(np.float32) * 2 - 1
    values: NDArray[np.float32] = _half(blocks) * signs
    return values


def _q2_0(blocks: Blocks) -> NDArray[np.float32]:
    codes = (blocks[:, 2:, None] >> np.arange(0, 8, 2, dtype=np.uint8)) & 3
    values: NDArray[np.float32] = _half(blocks) * (codes.reshape(len(blocks), -1).astype(np.float32) - 1)
    return values


def _mxfp4(blocks: Blocks) -> NDArray[Any]:
    scales: NDArray[np.float32] = np.ldexp(np.float32(1), blocks[:, :1].astype(np.int32) - 128)
    return scales


# The scale of each 32 values, by type; ggml's `dequantize_row_*` (ggml-quants.c) says what the integers beside it are.
_SCALES: dict[str, Callable[[Blocks], NDArray[Any]]] = {
    "Q4_0": _half,
    "Q5_0": _half,
    "Q8_0": _half,
    "IQ4_NL": _half,
    "IQ4_XS": _iq4_xs,
    "IQ1_S": _iq1_s,
    "IQ2_XXS": _iq2_xxs,
    "IQ3_XXS": _iq3_xxs,
    "IQ3_S": _iq3_s,
    "TQ1_0": lambda blocks: np.repeat(_half(blocks, 52), 8, axis=1),
    "TQ2_0": lambda blocks: np.repeat(_half(blocks, 64), 8, axis=1),
    "MXFP4": _mxfp4,
    "Q1_0": lambda blocks: np.repeat(_half(blocks), 4, axis=1),
    "Q2_0": lambda blocks: np.repeat(_half(blocks), 2, axis=1),
}
_FOUR_BITS = ("Q4_0", "TQ1_0", "TQ2_0", "Q1_0", "Q2_0")
# Release 0.19 of gguf does not know their arithmetic yet: ggml's `dequantize_row_q1_0` and `_q2_0` (ggml-quants.c).
_NEWER: dict[str, Callable[[Blocks], NDArray[np.float32]]] = {"Q1_0": _q1_0, "Q2_0": _q2_0}
