"""What an architecture is to the readers of weights."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from fireside.weights.block import LLAMA_BLOCK, Block
from fireside.weights.checkpoint import ModelConfig
from fireside.weights.gguf_values import GgufValues
from fireside.weights.hf_values import HfValues

QKV = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj")

PLAIN: Mapping[str, tuple[object, ...]] = {
    "hidden_act": ("silu",),
    "attention_bias": (False,),
    "mlp_bias": (False,),
    "partial_rotary_factor": (1.0,),
}
"""`Architecture.accepted` of the Llama type."""


def _as_it_is(_values: object, config: ModelConfig) -> ModelConfig:
    return config


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """A family of decoders: what files call it, and what they leave to its name.

    Tensors have transformers' names (see `Checkpoint`); GGUF's follow from the block (`gguf_checkpoint`).

    Args:
        title: for people, such as "Qwen 3".
        hf_class: the entry of `architectures` in config.json.
        model_type: transformers' short name, which adapters and the catalog may name.
        gguf: `general.architecture` in GGUF files, which prefixes their keys.
        block: what a layer is made of.
        accepted: keys of config.json that change the arithmetic, with the values that are run; a file may lack them.
        defaults: what transformers' config class takes for keys that config.json lacks.
        from_hf: completes the config, of sizes and rotary embedding, by what is the architecture's own.
        from_gguf: the same of GGUF metadata.
        gguf_pairs: whether GGUF files have the rows of queries and keys in the order of rotary pairs, not halves.
    """

    title: str
    hf_class: str
    model_type: str
    gguf: str
    block: Block = LLAMA_BLOCK
    accepted: Mapping[str, tuple[object, ...]] = field(default_factory=lambda: PLAIN)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    from_hf: Callable[[HfValues, ModelConfig], ModelConfig] = _as_it_is
    from_gguf: Callable[[GgufValues, ModelConfig], ModelConfig] = _as_it_is
    gguf_pairs: bool = False
