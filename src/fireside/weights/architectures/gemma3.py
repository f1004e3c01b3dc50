"""Gemma 3, text: norms before and after attention and MLP, GeGLU, most layers local (Gemma 3 technical report, 2025).

Gains are stored less one, embeddings are scaled by the root of their width. Five of six layers keep to a window and
have a rotary base of their own, which is never scaled.
"""

from dataclasses import replace

from fireside.errors import BadWeights
from fireside.weights.architectures.architecture import Architecture
from fireside.weights.block import Block
from fireside.weights.checkpoint import ModelConfig
from fireside.weights.gguf_values import GgufValues
from fireside.weights.hf_layers import global_layers
from fireside.weights.hf_values import HfValues

_PATTERN = 6
"""Every sixth layer is global."""

_LOCAL_THETA = 10000.0


def _from_hf(values: HfValues, config: ModelConfig) -> ModelConfig:
    pattern, scalar = values.whole_number("sliding_window_pattern", _PATTERN), values.number("query_pre_attn_scalar")
    for key, value in (("sliding_window_pattern", pattern), ("query_pre_attn_scalar", scalar)):
        if not value > 0:
            raise BadWeights(f"{values.file.name}: {key} is {value}, not positive.")
    tables = values.table("rope_parameters")
    local = tables.table("sliding_attention") if tables else None
    theta = values.number("rope_local_base_freq", _LOCAL_THETA)
    return replace(
        config,
        sliding_window=values.whole_number("sliding_window"),
        global_layers=global_layers(values, config.layers, lambda layer: (layer + 1) % pattern == 0),
        local_rope_theta=local.number("rope_theta", theta) if local else theta,
        embedding_scale=config.hidden_size**0.5,
        attention_scale=scalar**-0.5,
    )


def _from_gguf(values: GgufValues, config: ModelConfig) -> ModelConfig:
    # llama.cpp knows the 27B, whose scale differs, by its 62 layers.
    width = config.hidden_size // config.heads if config.layers == 62 else config.head_dim
    return replace(
        config,
        sliding_window=values.whole_number("attention.sliding_window"),
        global_layers=frozenset(range(_PATTERN - 1, config.layers, _PATTERN)),
        local_rope_theta=values.number("rope.freq_base_swa", _LOCAL_THETA),
        embedding_scale=config.hidden_size**0.5,
        attention_scale=width**-0.5,
    )


ARCHITECTURE = Architecture(
    title="Gemma 3, text",
    hf_class="Gemma3ForCausalLM",
    model_type="gemma3_text",
    gguf="gemma3",
    block=Block(
        after_attention="post_attention_layernorm",
        before_mlp="pre_feedforward_layernorm",
        after_mlp="post_feedforward_layernorm",
        qk_norms=True,
        norm_offset=1.0,
        activation="gelu_tanh",
    ),
    accepted={
        "hidden_activation": ("gelu_pytorch_tanh",),
        "attention_bias": (False,),
        "use_bidirectional_attention": (False,),
        "attn_logit_softcapping": (None,),
        "final_logit_softcapping": (None,),
    },
    defaults={
        "head_dim": 256,
        "max_position_embeddings": 131_072,
        "num_attention_heads": 8,
        "num_key_value_heads": 4,
        "query_pre_attn_scalar": 256,
        "rms_norm_eps": 1e-6,
        "rope_theta": 1_000_000.0,
        "sliding_window": 4096,
        "tie_word_embeddings": True,
        "vocab_size": 262_208,
    },
    from_hf=_from_hf,
    from_gguf=_from_gguf,
)

MULTIMODAL = replace(
    ARCHITECTURE,
    title="Gemma 3, the text model within that for images",
    hf_class="Gemma3ForConditionalGeneration",
    model_type="gemma3",
    in_larger_model=True,
)
