"""What a checkpoint is to an engine, whatever file it came from."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """Shape of a Llama-type decoder (Llama, Mistral): RMSNorm, rotary halves, grouped-query attention, SwiGLU.

    Args:
        rope_theta: base of the rotary frequencies.
        sliding_window: tokens each token may look back on, or None for all.
        context_length: positions the model was made for.
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

    Names: "embed_tokens", "norm", "lm_head", "layers.N.input_layernorm", "layers.N.post_attention_layernorm",
    "layers.N.self_attn.{q,k,v,o}_proj", "layers.N.mlp.{gate,up,down}_proj".
    """

    @property
    def config(self) -> ModelConfig: ...

    @property
    def fingerprint(self) -> str:
        """Hex digest that changes when the files do (names, sizes, times, headers); cheap to compute."""
        ...

    def dense(self, name: str) -> NDArray[np.float32]:
        """Embedding [vocab, hidden], norm [hidden] or linear [out, in] as float32. Raises BadWeights."""
        ...

    def coding(self, name: str) -> Coding | None:
        """How to run a linear layer, by what its header says; None when it is stored as floats."""
        ...

    def linear(self, name: str) -> NDArray[np.float32] | AwqLinear | BlockLinear:
        """A linear layer [out, in]: float32, or codes as they are. Raises BadWeights, UnsupportedWeights."""
        ...
