"""The tensors that the engine's graph needs, and their formats in ONNX Runtime's operators."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from fireside.weights.checkpoint import ModelConfig
from fireside.weights.shapes import linear_shapes, norm_shapes

WeightFormat = Literal["f32", "int8", "int4"]
Choose = Callable[[tuple[str, ...], int], tuple[WeightFormat, int]]
"""Chooses the format and block size of a product, from the names of its stacked linears and its input width."""

_SOURCES = {
    "qkv": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    "o": ("self_attn.o_proj",),
    "gate_up": ("mlp.gate_proj", "mlp.up_proj"),
    "down": ("mlp.down_proj",),
}
KINDS = tuple(_SOURCES)
"""The matrix products of a layer: linears with the same input are fused into one."""

HEAD_BLOCK = 32
"""Block size of the 8-bit lm_head: the most accurate one."""


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """Name, dtype and shape of one packed tensor."""

    name: str
    dtype: np.dtype[np.generic]
    shape: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        return int(np.prod(self.shape, dtype=np.int64)) * self.dtype.itemsize


@dataclass(frozen=True, slots=True)
class LinearSpec:
    """One matrix product of the graph. Linears with the same input are fused by stacking their outputs.

    Args:
        name: its name in the graph, such as "layers.0.qkv".
        sources: checkpoint names of the stacked linears, in order.
        out_features: output width of each source.
        in_features: input width K.
        weight_format: format of its weights; "int4" has zero points.
        block: number of values along the input that share a scale.
        biased: whether any source has a bias.
    """

    name: str
    sources: tuple[str, ...]
    out_features: tuple[int, ...]
    in_features: int
    weight_format: WeightFormat
    block: int
    biased: bool = False

    @property
    def total_out_features(self) -> int:
        """Output width N of all sources together."""
        return sum(self.out_features)

    @property
    def bits(self) -> int:
        return 8 if self.weight_format == "int8" else 4

    def tensors(self) -> list[TensorSpec]:
        """The packed tensors: those of the weight, then the float32 bias [N] if there is one."""
        if not self.biased:
            return self.weight_tensors()
        return [*self.weight_tensors(), self.bias]

    @property
    def bias(self) -> TensorSpec:
        """The bias, float32 [N]; zero for sources without one."""
        return TensorSpec(f"{self.name}.bias", np.dtype(np.float32), (self.total_out_features,))

    def weight_tensors(self) -> list[TensorSpec]:
        """The weight, float32 [K, N], or MatMulNBits' codes, scales and zero points."""
        k, n = self.in_features, self.total_out_features
        if self.weight_format == "f32":
            return [TensorSpec(f"{self.name}.weight", np.dtype(np.float32), (k, n))]
        blocks = k // self.block
        tensors = [
            TensorSpec(f"{self.name}.codes", np.dtype(np.uint8), (n, blocks, self.block * self.bits // 8)),
            TensorSpec(f"{self.name}.scales", np.dtype(np.float32), (n, blocks)),
        ]
        if self.weight_format == "int4":
            tensors.append(TensorSpec(f"{self.name}.zeros", np.dtype(np.uint8), (n, (blocks + 1) // 2)))
        return tensors


def layer_linears(config: ModelConfig, layer: int, choose: Choose) -> list[LinearSpec]:
    """The products of a layer, in the order of KINDS."""
    shapes = linear_shapes(config)
    linears = []
    for kind, sources in _SOURCES.items():
        in_features = shapes[sources[0]][1]
        full = tuple(f"layers.{layer}.{source}" for source in sources)
        out_features = tuple(shapes[source][0] for source in sources)
        weight_format, block = choose(full, in_features)
        biased = any(source in config.block.biases for source in sources)
        name = f"layers.{layer}.{kind}"
        linears.append(LinearSpec(name, full, out_features, in_features, weight_format, block, biased))
    return linears


def head_linear(config: ModelConfig, weight_format: WeightFormat) -> LinearSpec:
    """The product lm_head: 8 bits if any weights are quantised, because every token's choice depends on it."""
    own: WeightFormat = "f32" if weight_format == "f32" else "int8"
    return LinearSpec("lm_head", ("lm_head",), (config.vocab_size,), config.hidden_size, own, HEAD_BLOCK)


def parameters(config: ModelConfig) -> int:
    """The number of weights that are multiplied for every token."""
    layer = sum(outputs * inputs for outputs, inputs in linear_shapes(config).values())
    return config.layers * layer + config.vocab_size * config.hidden_size


def norm_tensors(config: ModelConfig) -> list[TensorSpec]:
    """The RMSNorm gains, as they are applied."""
    return [TensorSpec(name, np.dtype(np.float32), shape) for name, shape in norm_shapes(config)]
