"""AWQ's GEMM layout made the slow and obvious way, for tests to compare with.

Source: AutoAWQ's `WQLinear_GEMM.from_linear`: eight columns share an int32, and nibble i (from the low end) is column
ORDER[i] of the eight.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

ORDER = (0, 2, 4, 6, 1, 3, 5, 7)


@dataclass(frozen=True)
class AwqTensors:
    """What a checkpoint stores of a linear, and the float32 weight [out, in] that it stands for."""

    qweight: NDArray[np.int32]
    qzeros: NDArray[np.int32]
    scales: NDArray[np.float16]
    codes: NDArray[np.uint8]
    zeros: NDArray[np.uint8]
    weight: NDArray[np.float32]


def quantise_awq(weight: NDArray[np.float32], group: int) -> AwqTensors:
    """Round a weight [out, in] to 4 bits with a zero point for each `group` of inputs; codes are [in, out]."""
    outputs, inputs = weight.shape
    grouped = weight.T.reshape(inputs // group, group, outputs)
    low = np.minimum(grouped.min(axis=1), 0)
    high = np.maximum(grouped.max(axis=1), 0)
    scales = ((high - low) / 15).astype(np.float16)
    zeros = np.clip(np.rint(-low / scales), 0, 15).astype(np.uint8)
    codes = np.clip(np.rint(grouped / scales[:, None]) + zeros[:, None], 0, 15).astype(np.uint8)
    exact = (codes.astype(np.float32) - zeros[:, None]) * scales[:, None].astype(np.float32)
    codes = codes.reshape(inputs, outputs)
    return AwqTensors(
        pack_awq_words(codes), pack_awq_words(zeros), scales, codes, zeros, exact.reshape(inputs, outputs).T.copy()
    )


def pack_awq_words(codes: NDArray[np.uint8]) -> NDArray[np.int32]:
    """Codes [rows, columns] as int32 words [rows, columns / 8]."""
    words = np.zeros((len(codes), codes.shape[1] // 8), np.uint32)
    for nibble, column in enumerate(ORDER):
        words |= codes[:, column::8].astype(np.uint32) << np.uint32(4 * nibble)
    return words.view(np.int32)
