"""The block formats of ggml that Fireside reads, and how they become float32."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fireside.weights.mapping import widen_bfloat16


@dataclass(frozen=True, slots=True)
class GgmlType:
    """A storage type: `block_size` values take `block_bytes` bytes."""

    name: str
    block_size: int
    block_bytes: int


F32 = GgmlType("F32", 1, 4)
F16 = GgmlType("F16", 1, 2)
BF16 = GgmlType("BF16", 1, 2)
Q4_0 = GgmlType("Q4_0", 32, 18)
Q4_1 = GgmlType("Q4_1", 32, 20)
Q8_0 = GgmlType("Q8_0", 32, 34)

GGML_TYPES = {0: F32, 1: F16, 2: Q4_0, 3: Q4_1, 8: Q8_0, 30: BF16}
"""By ggml's own numbers."""

UNSUPPORTED_GGML_TYPES = {
    6: "Q5_0", 7: "Q5_1", 9: "Q8_1", 10: "Q2_K", 11: "Q3_K", 12: "Q4_K", 13: "Q5_K", 14: "Q6_K", 15: "Q8_K",
    16: "IQ2_XXS", 17: "IQ2_XS", 18: "IQ3_XXS", 19: "IQ1_S", 20: "IQ4_NL", 21: "IQ3_S", 22: "IQ2_S", 23: "IQ4_XS",
    24: "I8", 25: "I16", 26: "I32", 27: "I64", 28: "F64", 29: "IQ1_M", 34: "TQ1_0", 35: "TQ2_0", 39: "MXFP4",
}  # fmt: skip
"""Types that exist, for a message that names them."""


def dequantise(blocks: NDArray[np.generic], kind: GgmlType) -> NDArray[np.float32]:
    """Values of `blocks` (uint8 [n, kind.block_bytes]) as float32 [n, kind.block_size]."""
    if kind is F32:
        return blocks.view("<f4").astype(np.float32)
    if kind is F16:
        return blocks.view("<f2").astype(np.float32)
    if kind is BF16:
        return widen_bfloat16(blocks.view("<u2"))
    scale = blocks[:, :2].view("<f2").astype(np.float32)
    if kind is Q8_0:
        values = blocks[:, 2:].view(np.int8).astype(np.float32)
        values *= scale
        return values
    packed = blocks[:, kind.block_bytes - 16 :].view(np.uint8)
    values = np.empty((len(blocks), 32), np.float32)
    values[:, :16] = packed & 15
    values[:, 16:] = packed >> 4
    if kind is Q4_0:
        values -= 8
        values *= scale
    else:
        values *= scale
        values += blocks[:, 2:4].view("<f2").astype(np.float32)
    return values
