"""Ways to stretch the rotary embedding over a longer context than a model was first trained for."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Frequencies = NDArray[np.float32]
"""Radians per position, one for each pair of a head's dimensions: [head_dim / 2]."""


@dataclass(frozen=True, slots=True)
class LinearScaling:
    """All frequencies divided by one factor (position interpolation, Chen et al. 2023)."""

    factor: float

    def apply(self, frequencies: Frequencies) -> Frequencies:
        """The scaled frequencies."""
        return frequencies / np.float32(self.factor)


@dataclass(frozen=True, slots=True)
class Llama3Scaling:
    """Low frequencies divided by a factor, high ones kept, those between interpolated (Llama 3.1's `rope_type` llama3).

    Args:
        low: turns over the original context up to which a frequency counts as low.
        high: turns from which it counts as high.
        original_context: positions of the first training.
    """

    factor: float
    low: float
    high: float
    original_context: int

    def apply(self, frequencies: Frequencies) -> Frequencies:
        """The scaled frequencies."""
        turns = frequencies * np.float32(self.original_context / (2 * math.pi))
        kept = ((turns - np.float32(self.low)) / np.float32(self.high - self.low)).clip(0, 1)
        return (frequencies * (kept + (1 - kept) / np.float32(self.factor))).astype(np.float32)


@dataclass(frozen=True, slots=True)
class FrequencyFactors:
    """Each frequency divided by a factor of its own, as GGUF files store any scaling (tensor `rope_freqs`)."""

    factors: tuple[float, ...]

    def apply(self, frequencies: Frequencies) -> Frequencies:
        """The scaled frequencies."""
        factors: NDArray[np.float32] = np.array(self.factors, np.float32)
        return frequencies / factors


RopeScaling = LinearScaling | Llama3Scaling | FrequencyFactors
