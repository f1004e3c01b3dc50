"""Mistral 7B and its successors of the same form: Llama with a sliding window (Jiang et al. 2023)."""

from dataclasses import replace

from fireside.weights.architectures.architecture import Architecture
from fireside.weights.checkpoint import ModelConfig
from fireside.weights.hf_values import HfValues


def _from_hf(values: HfValues, config: ModelConfig) -> ModelConfig:
    window = None if values.get("sliding_window") is None else values.whole_number("sliding_window")
    return replace(config, sliding_window=window)


ARCHITECTURE = Architecture(
    title="Mistral",
    hf_class="MistralForCausalLM",
    model_type="mistral",
    gguf="llama",
    defaults={"num_key_value_heads": 8, "sliding_window": 4096},
    from_hf=_from_hf,
)
