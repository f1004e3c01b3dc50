"""Each architecture's config.json, as the hub has it, and what of it is not run."""

import json
from pathlib import Path
from typing import Any

import pytest

from fireside.errors import BadWeights, UnsupportedWeights
from fireside.weights.architectures import ARCHITECTURES, of_gguf, of_hf_class
from fireside.weights.checkpoint import ModelConfig
from fireside.weights.config import read_hf_config
from fireside.weights.rope import LinearScaling, Llama3Scaling

LLAMA_3_2_1B: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"], "attention_bias": False, "head_dim": 64, "hidden_act": "silu",
    "hidden_size": 2048, "intermediate_size": 8192, "max_position_embeddings": 131072, "mlp_bias": False,
    "model_type": "llama", "num_attention_heads": 32, "num_hidden_layers": 16, "num_key_value_heads": 8,
    "pretraining_tp": 1, "rms_norm_eps": 1e-05, "rope_theta": 500000.0, "tie_word_embeddings": True,
    "rope_scaling": {
        "factor": 32.0, "high_freq_factor": 4.0, "low_freq_factor": 1.0, "original_max_position_embeddings": 8192,
        "rope_type": "llama3",
    },
    "vocab_size": 128256,
}  # fmt: skip
QWEN_2_5_0_5B: dict[str, Any] = {
    "architectures": ["Qwen2ForCausalLM"], "hidden_act": "silu", "hidden_size": 896, "intermediate_size": 4864,
    "max_position_embeddings": 32768, "max_window_layers": 21, "model_type": "qwen2", "num_attention_heads": 14,
    "num_hidden_layers": 24, "num_key_value_heads": 2, "rms_norm_eps": 1e-06, "rope_theta": 1000000.0,
    "sliding_window": 32768, "tie_word_embeddings": True, "use_sliding_window": False, "vocab_size": 151936,
}  # fmt: skip
QWEN_3_0_6B: dict[str, Any] = {
    "architectures": ["Qwen3ForCausalLM"], "attention_bias": False, "head_dim": 128, "hidden_act": "silu",
    "hidden_size": 1024, "intermediate_size": 3072, "max_position_embeddings": 40960, "max_window_layers": 28,
    "model_type": "qwen3", "num_attention_heads": 16, "num_hidden_layers": 28, "num_key_value_heads": 8,
    "rms_norm_eps": 1e-06, "rope_scaling": None, "rope_theta": 1000000, "sliding_window": None,
    "tie_word_embeddings": True, "use_sliding_window": False, "vocab_size": 151936,
}  # fmt: skip
GEMMA_2B: dict[str, Any] = {
    "architectures": ["GemmaForCausalLM"], "attention_bias": False, "head_dim": 256, "hidden_act": "gelu",
    "hidden_activation": None, "hidden_size": 2048, "intermediate_size": 16384, "max_position_embeddings": 8192,
    "model_type": "gemma", "num_attention_heads": 8, "num_hidden_layers": 18, "num_key_value_heads": 1,
    "rms_norm_eps": 1e-06, "rope_scaling": None, "rope_theta": 10000.0, "vocab_size": 256000,
}  # fmt: skip
GEMMA_3_1B: dict[str, Any] = {
    "architectures": ["Gemma3ForCausalLM"], "attention_bias": False, "attn_logit_softcapping": None,
    "final_logit_softcapping": None, "head_dim": 256, "hidden_activation": "gelu_pytorch_tanh", "hidden_size": 1152,
    "intermediate_size": 6912, "max_position_embeddings": 32768, "model_type": "gemma3_text",
    "num_attention_heads": 4, "num_hidden_layers": 26, "num_key_value_heads": 1, "query_pre_attn_scalar": 256,
    "rms_norm_eps": 1e-06, "rope_local_base_freq": 10000, "rope_scaling": None, "rope_theta": 1000000,
    "sliding_window": 512, "sliding_window_pattern": 6, "vocab_size": 262144,
}  # fmt: skip
GEMMA_3_4B: dict[str, Any] = {
    "architectures": ["Gemma3ForConditionalGeneration"], "boi_token_index": 255999, "mm_tokens_per_image": 256,
    "model_type": "gemma3",
    "text_config": {
        "hidden_size": 2560, "intermediate_size": 10240, "model_type": "gemma3_text", "num_hidden_layers": 34,
        "rope_scaling": {"factor": 8.0, "rope_type": "linear"}, "sliding_window": 1024,
    },
    "vision_config": {"hidden_size": 1152, "model_type": "siglip_vision_model", "num_hidden_layers": 27},
}  # fmt: skip


def read(folder: Path, values: dict[str, Any]) -> ModelConfig:
    (folder / "config.json").write_text(json.dumps(values))
    return read_hf_config(folder)


def test_names_are_found() -> None:
    for known in ARCHITECTURES:
        assert of_hf_class(known.hf_class) is known
        found = of_gguf(known.gguf)
        assert found is not None
        # A GGUF file does not tell Mistral from Llama, nor whether Gemma 3 was part of a larger model.
        assert found.block == known.block
    assert (of_hf_class("llama"), of_gguf("LlamaForCausalLM")) == (None, None)


def test_llama_3_2(tmp_path: Path) -> None:
    config = read(tmp_path, LLAMA_3_2_1B)
    assert config.rope_scaling == Llama3Scaling(32.0, 1.0, 4.0, 8192)
    assert (config.head_dim, config.tie_embeddings, config.sliding_window) == (64, True, None)


def test_qwen_2_5(tmp_path: Path) -> None:
    config = read(tmp_path, QWEN_2_5_0_5B)
    assert config.block.biases == ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj")
    assert (config.head_dim, config.sliding_window, config.tie_embeddings) == (64, None, True)
    config = read(tmp_path, QWEN_2_5_0_5B | {"use_sliding_window": True})
    assert [config.window(layer) for layer in (0, 20, 21, 23)] == [None, None, 32768, 32768]


def test_qwen_3(tmp_path: Path) -> None:
    config = read(tmp_path, QWEN_3_0_6B)
    assert config.block.qk_norms
    assert (config.head_dim, config.sliding_window, config.rope_scaling) == (128, None, None)
    less = {key: value for key, value in QWEN_3_0_6B.items() if key != "head_dim"}
    assert read(tmp_path, less).head_dim == 128


def test_gemma(tmp_path: Path) -> None:
    config = read(tmp_path, GEMMA_2B)
    assert (config.embedding_scale, config.tie_embeddings, config.head_dim) == (2048**0.5, True, 256)
    assert (config.block.norm_offset, config.block.activation) == (1.0, "gelu_tanh")


def test_gemma_3(tmp_path: Path) -> None:
    config = read(tmp_path, GEMMA_3_1B)
    assert [config.window(layer) for layer in (0, 4, 5, 6, 11, 25)] == [512, 512, None, 512, None, 512]
    assert (config.rope_theta, config.local_rope_theta, config.rope_scaling) == (1e6, 10000.0, None)
    assert (config.attention_scale, config.tie_embeddings) == (1 / 16, True)


def test_gemma_3_within_a_larger_model(tmp_path: Path) -> None:
    config = read(tmp_path, GEMMA_3_4B)
    assert (config.hidden_size, config.layers, config.vocab_size, config.heads) == (2560, 34, 262_208, 8)
    assert (config.kv_heads, config.head_dim, config.context_length) == (4, 256, 131_072)
    assert (config.rope_theta, config.local_rope_theta) == (1e6, 10000.0)
    assert config.rope_scaling == LinearScaling(8.0)
    assert config.sliding_window == 1024
    assert config.global_layers == {5, 11, 17, 23, 29}


@pytest.mark.parametrize(
    ("values", "change", "why"),
    [
        (QWEN_2_5_0_5B, {"attention_bias": False}, "attention_bias is False; Fireside runs True only"),
        (QWEN_3_0_6B, {"attention_bias": True}, "attention_bias is True; Fireside runs False only"),
        (GEMMA_2B, {"hidden_act": "relu"}, "hidden_act is 'relu'; Fireside runs 'gelu' and 'gelu_pytorch_tanh' only"),
        (GEMMA_3_1B, {"final_logit_softcapping": 30.0}, r"final_logit_softcapping is 30\.0"),
        (GEMMA_3_1B, {"attn_logit_softcapping": 50.0}, r"attn_logit_softcapping is 50\.0"),
        (GEMMA_3_1B, {"use_bidirectional_attention": True}, "use_bidirectional_attention is True"),
        (GEMMA_3_1B, {"layer_types": ["chunked_attention"] * 26}, "layer_types has 'chunked_attention'; Fireside runs"),
    ],
)
def test_what_is_not_run(values: dict[str, Any], change: dict[str, Any], why: str, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedWeights, match=rf"config\.json: {why}"):
        read(tmp_path, values | change)


@pytest.mark.parametrize(
    ("values", "change", "why"),
    [
        (GEMMA_3_1B, {"layer_types": ["full_attention"]}, "layer_types is not a list of 26 types"),
        (GEMMA_3_1B, {"sliding_window_pattern": 0}, "sliding_window_pattern is 0, not positive"),
        (GEMMA_3_1B, {"query_pre_attn_scalar": -1}, r"query_pre_attn_scalar is -1\.0, not positive"),
        (GEMMA_3_1B, {"sliding_window": None}, "sliding_window is missing"),
        (GEMMA_3_1B, {"rope_local_base_freq": 0}, r"local_rope_theta is 0\.0, not a positive number"),
        (GEMMA_3_4B, {"text_config": [1]}, "text_config is not an object"),
        (GEMMA_3_4B, {"text_config": None}, "hidden_size is missing"),
        (
            QWEN_2_5_0_5B,
            {"use_sliding_window": True, "max_window_layers": "all"},
            "max_window_layers is 'all', not a whole number",
        ),
        (QWEN_2_5_0_5B, {"use_sliding_window": "no"}, "use_sliding_window is 'no', not true or false"),
    ],
)
def test_what_makes_no_sense(values: dict[str, Any], change: dict[str, Any], why: str, tmp_path: Path) -> None:
    with pytest.raises(BadWeights, match=rf"config\.json: {why}"):
        read(tmp_path, values | change)
