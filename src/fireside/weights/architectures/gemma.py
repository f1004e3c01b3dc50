"""Gemma 1: Llama with GeGLU, gains stored less one, and embeddings scaled by the root of their width (Mesnard et al.
2024). "gelu" in old files means its tanh form, too."""

from dataclasses import replace

from fireside.weights.architectures.architecture import Architecture
from fireside.weights.block import Block
from fireside.weights.checkpoint import ModelConfig


def _scaled(_values: object, config: ModelConfig) -> ModelConfig:
    return replace(config, embedding_scale=config.hidden_size**0.5)


ARCHITECTURE = Architecture(
    title="Gemma",
    hf_class="GemmaForCausalLM",
    model_type="gemma",
    gguf="gemma",
    block=Block(norm_offset=1.0, activation="gelu_tanh"),
    accepted={
        "hidden_act": ("gelu", "gelu_pytorch_tanh"),
        "hidden_activation": ("gelu_pytorch_tanh",),
        "attention_bias": (False,),
        "use_bidirectional_attention": (False,),
    },
    defaults={"head_dim": 256, "rms_norm_eps": 1e-6, "tie_word_embeddings": True},
    from_hf=_scaled,
    from_gguf=_scaled,
)
