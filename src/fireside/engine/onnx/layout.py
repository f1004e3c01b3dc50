"""Which tensors the engine's graph needs, and in which format: the bridge from a checkpoint to ONNX Runtime's
operators."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from fireside.weights.checkpoint import ModelConfig
from fireside.weights.shapes import linear_shapes, norm_shapes

WeightFormat = Literal["f32", "int8", "int4"]
Choose = Callable[[tuple[str, ...], int], tuple[WeightFormat, int]]
"""Format and block for linears of these names, stacked, of this input width."""

_SOURCES = {
    "qkv": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    "o": ("self_attn.o_proj",),
    "gate_up": ("mlp.gate_proj", "mlp.up_proj"),
    "down": ("mlp.down_proj",),
}
KINDS = tuple(_SOURCES)
"""The products of a layer: linears that share their input are one."""

HEAD_BLOCK = 32
"""Block of the 8-bit lm_head: the most exact one."""


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
    """One matrix product of the graph. Layers that share their input are fused by stacking their outputs.

    Args:
        name: its name in the graph, such as "layers.0.qkv".
        sources: checkpoint names that are stacked, in order.
        out_features: output width of each source.
        in_features: input width K.
        weight_format: how its weights are held; 4 bits have zero points.
        block: values that share a scale, along the input.
        biased: whether any source adds a bias.
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
        """N, of all sources together."""
        return sum(self.out_features)

    @property
    def bits(self) -> int:
        return 8 if self.weight_format == "int8" else 4

    def tensors(self) -> list[TensorSpec]:
        """Packed tensors: those of the weight, then float32 bias [N] where it has one."""
        if not self.biased:
            return self.weight_tensors()
        return [*self.weight_tensors(), self.bias]

    @property
    def bias(self) -> TensorSpec:
        """Float32 [N], zero for sources that add none."""
        return TensorSpec(f"{self.name}.bias", np.dtype(np.float32), (self.total_out_features,))

    def weight_tensors(self) -> list[TensorSpec]:
        """Float32 weight [K, N], or MatMulNBits' codes, scales and zero points."""
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
    """lm_head: 8 bits wherever weights are quantised at all, since every token's choice goes through it."""
    own: WeightFormat = "f32" if weight_format == "f32" else "int8"
    return LinearSpec("lm_head", ("lm_head",), (config.vocab_size,), config.hidden_size, own, HEAD_BLOCK)


def parameters(config: ModelConfig) -> int:
    """Weights that every token is multiplied with."""
    layer = sum(outputs * inputs for outputs, inputs in linear_shapes(config).values())
    return config.layers * layer + config.vocab_size * config.hidden_size


def norm_tensors(config: ModelConfig) -> list[TensorSpec]:
    """RMSNorm gains, as they are multiplied with."""
    return [TensorSpec(name, np.dtype(np.float32), shape) for name, shape in norm_shapes(config)]
