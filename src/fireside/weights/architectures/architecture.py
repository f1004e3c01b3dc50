"""What an architecture is to the readers of weights."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
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


_TEXT_PREFIXES = {"model.language_model.": "model.", "language_model.": "", "lm_head.": "lm_head."}
"""Of the text model's tensors in a larger one (transformers 5, 4, and both for the head), and what they are alone."""


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
        in_larger_model: whether the text model is part of one for images, too: then config.json has its keys under
            `text_config`, and what belongs to the other parts is left aside.
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
    in_larger_model: bool = False
    gguf_pairs: bool = False

    def text_values(self, file: Path, entries: Mapping[str, Any]) -> HfValues:
        """What config.json says of the text model. Raises BadWeights."""
        if self.in_larger_model:
            text = HfValues(file, entries, {}).table("text_config")
            entries = {**entries, **(text.entries if text else {})}
        return HfValues(file, entries, self.defaults)

    def text_tensor(self, stored: str) -> str | None:
        """The name of a stored tensor within the text model; None when it belongs to another part."""
        if not self.in_larger_model:
            return stored
        for prefix, name in _TEXT_PREFIXES.items():
            if stored.startswith(prefix):
                return name + stored.removeprefix(prefix)
        return None
