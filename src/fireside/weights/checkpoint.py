"""What a checkpoint is to an engine, whatever file it came from."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fireside.weights.block import LLAMA_BLOCK, Block
from fireside.weights.rope import RopeScaling


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """Shape of a decoder, and what its arithmetic needs beside the weights.

    Args:
        rope_theta: base of the rotary frequencies.
        rope_scaling: how these are stretched, if at all.
        sliding_window: tokens each token may look back on, or None for all.
        global_layers: layers that look back on all tokens, whatever the window.
        local_rope_theta: base of the rotary frequencies, without scaling, of the layers that keep to the window; None
            where they share that of the others.
        context_length: positions the model was made for.
        embedding_scale: what a token's embedding is multiplied by.
        attention_scale: what attention scores are multiplied by; None for 1 / sqrt(head_dim).
        block: what a layer is made of.
    """

    vocab_size: int
    hidden_size: int
    intermediate_size: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    context_length: int
    rope_theta: float
    norm_eps: float
    sliding_window: int | None = None
    tie_embeddings: bool = False
    rope_scaling: RopeScaling | None = None
    global_layers: frozenset[int] = frozenset()
    local_rope_theta: float | None = None
    embedding_scale: float = 1.0
    attention_scale: float | None = None
    block: Block = LLAMA_BLOCK

    def window(self, layer: int) -> int | None:
        """Tokens that each token may look back on in this layer, or None for all."""
        return None if layer in self.global_layers else self.sliding_window


@dataclass(frozen=True, slots=True)
class AwqLinear:
    """A 4-bit linear layer as AWQ's GEMM layout stores it; weight = (code - zero) * scale.

    Args:
        qweight: int32 [in, out / 8]; column j of each eight at bit shift (0, 16, 4, 20, 8, 24, 12, 28)[j].
        qzeros: int32 [in / group_size, out / 8], packed the same way.
        scales: float16 [in / group_size, out].
    """

    qweight: NDArray[np.int32]
    qzeros: NDArray[np.int32]
    scales: NDArray[np.float16]
    group_size: int


@dataclass(frozen=True, slots=True)
class BlockLinear:
    """A linear layer [out, in] as integers with one scale for each block of its input; weight = (code - zero) * scale.

    Args:
        bits: 4 or 8: codes go from 0 to 2^bits - 1.
        codes: uint8 [out, in], one a byte.
        scales: float32 [out, in / block].
        zeros: uint8 [out, in / block], or None where all are 2^(bits - 1).
    """

    bits: int
    block: int
    codes: NDArray[np.uint8]
    scales: NDArray[np.float32]
    zeros: NDArray[np.uint8] | None


@dataclass(frozen=True, slots=True)
class Coding:
    """Integers with a scale for each block: the form in which a quantised linear is run with the smallest error.

    Args:
        bits: 4 or 8.
        only: whether it is stored in this form itself: then it is run so, whatever was asked for.
    """

    bits: int
    block: int
    only: bool = False


class Checkpoint(Protocol):
    """A model's weights, read lazily: arrays are views of mapped files or made on demand, never all at once.

    Names: "embed_tokens", "norm", "lm_head", and of layer N "layers.N.self_attn.{q,k,v,o}_proj",
    "layers.N.mlp.{gate,up,down}_proj", each with ".bias" after it for its bias, and the norms of `Block`, such as
    "layers.N.input_layernorm". `shapes.tensor_shapes` lists those of a config.
    """

    @property
    def config(self) -> ModelConfig: ...

    @property
    def fingerprint(self) -> str:
        """Hex digest that changes when the files do (names, sizes, times, headers); cheap to compute."""
        ...

    def dense(self, name: str) -> NDArray[np.float32]:
        """Embedding [vocab, hidden], norm, bias [out] or linear [out, in] as float32. Raises BadWeights."""
        ...

    def coding(self, name: str) -> Coding | None:
        """How to run a linear layer, by what its header says; None when it is stored as floats."""
        ...

    def linear(self, name: str) -> NDArray[np.float32] | AwqLinear | BlockLinear:
        """A linear layer [out, in]: float32, or codes as they are. Raises BadWeights, UnsupportedWeights."""
        ...
