"""Rotary position embedding (RoFormer, Su et al. 2021): the tables that the graph reads."""

import numpy as np
from numpy.typing import NDArray

from fireside.weights.checkpoint import ModelConfig

Tables = dict[str, NDArray[np.float32]]


def rotary_tables(config: ModelConfig, positions: int) -> Tables:
    """The graph's rotary inputs by name: cosine and sine of each position, float32 [positions, head_dim / 2]."""
    exponents = np.arange(0, config.head_dim, 2, dtype=np.float32) / config.head_dim
    frequencies = (1.0 / np.float32(config.rope_theta) ** exponents).astype(np.float32)
    angles = np.arange(positions, dtype=np.float32)[:, None] * frequencies
    return {"cos": np.cos(angles), "sin": np.sin(angles)}
