"""Rotary position embedding (RoFormer, Su et al. 2021): the tables that the graph reads."""

import numpy as np
from numpy.typing import NDArray

from fireside.weights.checkpoint import ModelConfig
from fireside.weights.rope import RopeScaling

Tables = dict[str, NDArray[np.float32]]

_GLOBAL, _LOCAL = ("cos", "sin"), ("cos.local", "sin.local")


def table_names(config: ModelConfig) -> tuple[str, ...]:
    """The names of the graph's rotary inputs: two pairs if the local layers have their own base, else one."""
    return _GLOBAL if config.local_rope_theta is None else _GLOBAL + _LOCAL


def layer_tables(config: ModelConfig, layer: int) -> tuple[str, str]:
    """The names of the tables that a layer reads: cosine and sine."""
    return _GLOBAL if config.local_rope_theta is None or layer in config.global_layers else _LOCAL


def rotary_tables(config: ModelConfig, positions: int) -> Tables:
    """The graph's rotary inputs by name: cosine and sine of each position, float32 [positions, head_dim / 2]."""
    tables = _pair(_GLOBAL, config, positions, config.rope_theta, config.rope_scaling)
    if config.local_rope_theta is not None:
        tables |= _pair(_LOCAL, config, positions, config.local_rope_theta, None)
    return tables


def _pair(
    names: tuple[str, str], config: ModelConfig, positions: int, theta: float, scaling: RopeScaling | None
) -> Tables:
    exponents = np.arange(0, config.head_dim, 2, dtype=np.float32) / config.head_dim
    frequencies = (1.0 / np.float32(theta) ** exponents).astype(np.float32)
    if scaling is not None:
        frequencies = scaling.apply(frequencies)
    angles = np.arange(positions, dtype=np.float32)[:, None] * frequencies
    return dict(zip(names, (np.cos(angles), np.sin(angles)), strict=True))
