"""Which tensors the engine's graph needs, and in which form: the bridge from a checkpoint to ONNX Runtime's
operators."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from fireside.weights.checkpoint import ModelConfig
from fireside.weights.shapes import linear_shapes

Form = Literal["f32", "int8", "int4"]
Choose = Callable[[tuple[str, ...], int], tuple[Form, int]]
"""Form and block for linears of these names, stacked, of this input width."""

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
        rows: output width of each source.
        inputs: input width K.
        form: how its weights are held; 4 bits have zero points.
        block: values that share a scale, along the input.
    """

    name: str
    sources: tuple[str, ...]
    rows: tuple[int, ...]
    inputs: int
    form: Form
    block: int

    @property
    def outputs(self) -> int:
        return sum(self.rows)

    @property
    def bits(self) -> int:
        return 8 if self.form == "int8" else 4

    def tensors(self) -> list[TensorSpec]:
        """Packed tensors: float32 weight [K, N], or MatMulNBits' codes, scales and zero points."""
        if self.form == "f32":
            return [TensorSpec(f"{self.name}.weight", np.dtype(np.float32), (self.inputs, self.outputs))]
        blocks = self.inputs // self.block
        tensors = [
            TensorSpec(f"{self.name}.codes", np.dtype(np.uint8), (self.outputs, blocks, self.block * self.bits // 8)),
            TensorSpec(f"{self.name}.scales", np.dtype(np.float32), (self.outputs, blocks)),
        ]
        if self.form == "int4":
            tensors.append(TensorSpec(f"{self.name}.zeros", np.dtype(np.uint8), (self.outputs, (blocks + 1) // 2)))
        return tensors


def layer_linears(config: ModelConfig, layer: int, choose: Choose) -> list[LinearSpec]:
    """The products of a layer, in the order of KINDS."""
    shapes = linear_shapes(config)
    linears = []
    for kind, sources in _SOURCES.items():
        inputs = shapes[sources[0]][1]
        full = tuple(f"layers.{layer}.{source}" for source in sources)
        rows = tuple(shapes[source][0] for source in sources)
        linears.append(LinearSpec(f"layers.{layer}.{kind}", full, rows, inputs, *choose(full, inputs)))
    return linears


def head_linear(config: ModelConfig, form: Form) -> LinearSpec:
    """lm_head: 8 bits wherever weights are quantised at all, since every token's choice goes through it."""
    head_form: Form = "f32" if form == "f32" else "int8"
    return LinearSpec("lm_head", ("lm_head",), (config.vocab_size,), config.hidden_size, head_form, HEAD_BLOCK)


def parameters(config: ModelConfig) -> int:
    """Weights that every token is multiplied with."""
    layer = sum(outputs * inputs for outputs, inputs in linear_shapes(config).values())
    return config.layers * layer + config.vocab_size * config.hidden_size


def norm_names(config: ModelConfig) -> list[str]:
    """RMSNorm gains, float32 [hidden]."""
    kinds = ("input_layernorm", "post_attention_layernorm")
    names = [f"layers.{layer}.{kind}" for layer in range(config.layers) for kind in kinds]
    return [*names, "norm"]
