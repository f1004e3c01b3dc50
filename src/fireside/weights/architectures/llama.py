"""Llama 1 to 3.x, and what has its form: TinyLlama, SmolLM2, Yi (Touvron et al. 2023; Grattafiori et al. 2024).

Old files lack num_key_value_heads, since they have as many key heads as query heads. GGUF files call Mistral a llama,
too, and then hold its window.
"""

from dataclasses import replace

from fireside.weights.architectures.architecture import Architecture
from fireside.weights.checkpoint import ModelConfig
from fireside.weights.gguf_values import GgufValues


def _from_gguf(values: GgufValues, config: ModelConfig) -> ModelConfig:
    return replace(config, sliding_window=values.whole_number("attention.sliding_window", 0) or None)


ARCHITECTURE = Architecture(
    title="Llama",
    hf_class="LlamaForCausalLM",
    model_type="llama",
    gguf="llama",
    from_gguf=_from_gguf,
    gguf_pairs=True,
)
