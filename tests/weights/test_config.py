"""config.json as transformers writes it: what is read, what is refused, and with which words."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import LlamaConfig, MistralConfig

from fireside.errors import BadWeights, FiresideError, UnsupportedWeights
from fireside.weights.awq import AWQ_GROUP_SIZES, Awq
from fireside.weights.checkpoint import ModelConfig
from fireside.weights.compressed_tensors import CompressedTensors
from fireside.weights.config import read_hf_config
from fireside.weights.gptq import Gptq
from fireside.weights.rope import LinearScaling, Llama3Scaling
from fireside.weights.safetensors_folder import read_quantisation

MISTRAL: dict[str, Any] = {
    "architectures": ["MistralForCausalLM"],
    "vocab_size": 32000,
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "max_position_embeddings": 32768,
    "rms_norm_eps": 1e-5,
    "rope_theta": 1000000.0,
    "sliding_window": None,
    "hidden_act": "silu",
    "tie_word_embeddings": False,
}
LLAMA = {**MISTRAL, "architectures": ["LlamaForCausalLM"]}
LLAMA3: dict[str, Any] = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}
AWQ: dict[str, Any] = {"quant_method": "awq", "version": "gemm", "bits": 4, "zero_point": True, "group_size": 128}


def write(folder: Path, values: object) -> Path:
    (folder / "config.json").write_text(json.dumps(values))
    return folder


def test_mistral_v2(tmp_path: Path) -> None:
    assert read_hf_config(write(tmp_path, MISTRAL)) == ModelConfig(
        vocab_size=32000,
        hidden_size=4096,
        intermediate_size=14336,
        layers=32,
        heads=32,
        kv_heads=8,
        head_dim=128,
        context_length=32768,
        rope_theta=1e6,
        norm_eps=1e-5,
        sliding_window=None,
        tie_embeddings=False,
    )


@pytest.mark.parametrize("kind", [MistralConfig, LlamaConfig])
def test_what_transformers_writes_is_what_is_read(kind: type[MistralConfig | LlamaConfig], tmp_path: Path) -> None:
    theirs = kind(
        vocab_size=101, hidden_size=96, intermediate_size=160, num_hidden_layers=3, num_attention_heads=6,
        num_key_value_heads=2, head_dim=32, max_position_embeddings=640, rms_norm_eps=1e-6, tie_word_embeddings=True,
        rope_parameters={"rope_type": "default", "rope_theta": 12345.0},
        architectures=[kind.__name__.replace("Config", "ForCausalLM")],
    )  # fmt: skip
    theirs.save_pretrained(tmp_path)
    ours = read_hf_config(tmp_path)
    assert (ours.vocab_size, ours.hidden_size, ours.intermediate_size, ours.layers) == (101, 96, 160, 3)
    assert (ours.heads, ours.kv_heads, ours.head_dim, ours.context_length) == (6, 2, 32, 640)
    assert (ours.rope_theta, ours.norm_eps, ours.tie_embeddings) == (12345.0, 1e-6, True)
    assert ours.sliding_window == getattr(theirs, "sliding_window", None)


@pytest.mark.parametrize(
    ("values", "change", "field", "expected"),
    [
        (MISTRAL, {"head_dim": 64}, "head_dim", 64),
        (MISTRAL, {"head_dim": None}, "head_dim", 128),
        (MISTRAL, {"sliding_window": 512}, "sliding_window", 512),
        (LLAMA, {"sliding_window": 512}, "sliding_window", None),
        (LLAMA, {"num_key_value_heads": None}, "kv_heads", 32),
        (MISTRAL, {"num_key_value_heads": None}, "kv_heads", 32),
        (LLAMA, {"rope_theta": 500000}, "rope_theta", 500000.0),
        (LLAMA, {"rope_theta": 1.0, "rope_parameters": {"rope_theta": 2.0}}, "rope_theta", 2.0),
        (LLAMA, {"rope_scaling": None}, "rope_theta", 1e6),
        (LLAMA, {"rope_scaling": LLAMA3}, "rope_scaling", Llama3Scaling(8.0, 1.0, 4.0, 8192)),
        (LLAMA, {"rope_parameters": {"rope_type": "linear", "factor": 2}}, "rope_scaling", LinearScaling(2.0)),
        (LLAMA, {"tie_word_embeddings": True}, "tie_embeddings", True),
        (LLAMA, {"max_position_embeddings": 2048}, "context_length", 2048),
    ],
)
def test_one_value(
    values: dict[str, Any], change: dict[str, Any], field: str, expected: object, tmp_path: Path
) -> None:
    assert getattr(read_hf_config(write(tmp_path, values | change)), field) == expected


@pytest.mark.parametrize(
    ("missing", "expected"), [("sliding_window", 4096), ("rope_theta", 10000.0), ("num_key_value_heads", 8)]
)
def test_the_architectures_own_default(missing: str, expected: float, tmp_path: Path) -> None:
    config = read_hf_config(write(tmp_path, {key: value for key, value in MISTRAL.items() if key != missing}))
    assert getattr(config, {"num_key_value_heads": "kv_heads"}.get(missing, missing)) == expected


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"architectures": []}, "architectures is .*not a list of one name"),
        ({"architectures": [7]}, "architectures is .*not a list of one name"),
        ({"hidden_size": None}, "hidden_size is missing"),
        ({"hidden_size": "4096"}, "hidden_size is '4096', not a whole number"),
        ({"hidden_size": 4096.0}, r"hidden_size is 4096\.0, not a whole number"),
        ({"hidden_size": True}, "hidden_size is True, not a whole number"),
        ({"hidden_size": 4100}, "hidden_size 4100 is not a multiple of num_attention_heads 32"),
        ({"hidden_size": 1 << 30}, "hidden_size is 1073741824, not between 1 and"),
        ({"vocab_size": 0}, "vocab_size is 0, not between 1 and"),
        ({"num_hidden_layers": -1}, "num_hidden_layers is -1, not between 1 and"),
        ({"num_hidden_layers": 10**9}, "num_hidden_layers is 1000000000, not between 1 and"),
        ({"num_attention_heads": 0}, "num_attention_heads is 0, not positive"),
        ({"num_key_value_heads": 0}, "num_key_value_heads is 0, not between 1 and"),
        ({"num_key_value_heads": 5}, "num_attention_heads is 32, not a multiple of num_key_value_heads 5"),
        ({"head_dim": 127}, "head_dim is 127, odd"),
        ({"rms_norm_eps": "small"}, "rms_norm_eps is 'small', not a number"),
        ({"rms_norm_eps": 1}, r"rms_norm_eps is 1\.0, not between 0 and 1"),
        ({"rope_theta": float("nan")}, "rope_theta is nan, not a positive number"),
        ({"rope_theta": 10**400}, "rope_theta is too large"),
        ({"rope_parameters": [1]}, "rope_parameters is not an object"),
        ({"rope_parameters": {"full_attention": 1}}, "full_attention is not an object"),
        ({"rope_scaling": {"type": "linear"}}, "factor is missing"),
        ({"rope_scaling": {"type": "linear", "factor": 0}}, r"rope_scaling has factor 0\.0, not a positive number"),
        ({"rope_scaling": LLAMA3 | {"factor": "8"}}, "factor is '8', not a number"),
        (
            {"rope_scaling": LLAMA3 | {"low_freq_factor": 4}},
            r"rope_scaling has low_freq_factor 4\.0, not below high_freq_factor 4\.0",
        ),
        (
            {"rope_scaling": LLAMA3 | {"original_max_position_embeddings": 0}},
            "rope_scaling has original_max_position_embeddings 0, out",
        ),
        ({"sliding_window": 0}, "sliding_window is 0, not positive"),
        ({"tie_word_embeddings": "no"}, "tie_word_embeddings is 'no', not true or false"),
    ],
)
def test_a_senseless_value(change: dict[str, Any], why: str, tmp_path: Path) -> None:
    with pytest.raises(BadWeights, match=rf"config\.json: {why}"):
        read_hf_config(write(tmp_path, MISTRAL | change))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (
            {"architectures": ["FalconForCausalLM"]},
            "the architecture is FalconForCausalLM; Fireside runs LlamaForCausalLM.* Take a model of one of these",
        ),
        ({"hidden_act": "gelu"}, "hidden_act is 'gelu'; Fireside runs 'silu' only"),
        ({"attention_bias": True}, "attention_bias is True; Fireside runs False only"),
        ({"mlp_bias": True}, "mlp_bias is True"),
        ({"partial_rotary_factor": 0.5}, r"partial_rotary_factor is 0\.5"),
        ({"rope_scaling": {"rope_type": "yarn", "factor": 8}}, "that of the types linear and llama3"),
        ({"rope_scaling": {"type": "dynamic", "factor": 2}}, "that of the types linear and llama3"),
        ({"rope_parameters": {"partial_rotary_factor": 0.5}}, "Fireside rotates whole heads"),
    ],
)
def test_a_model_that_is_not_run(change: dict[str, Any], why: str, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedWeights, match=rf"config\.json: .*{why}"):
        read_hf_config(write(tmp_path, LLAMA | change))


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "cannot be read as JSON"),
        (b'{"a": ', "cannot be read as JSON"),
        (b"\xff", "cannot be read as JSON"),
        (b"[" * 100_000, "cannot be read as JSON"),
        (b'{"a": ' + b"9" * 5000 + b"}", "cannot be read as JSON"),
        (b"[]", "not a JSON object"),
        (b" " * ((1 << 20) + 1), "larger than 1048576 bytes"),
    ],
    ids=["empty", "cut", "not UTF-8", "nested", "many digits", "array", "oversized"],
)
def test_what_is_no_config(content: bytes, why: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes(content)
    for read in (read_hf_config, read_quantisation):
        with pytest.raises(BadWeights, match=rf"config\.json: .*{why}"):
            read(tmp_path)


def test_no_config(tmp_path: Path) -> None:
    with pytest.raises(BadWeights, match=r"config\.json: cannot be read"):
        read_hf_config(tmp_path)


def test_group_size(tmp_path: Path) -> None:
    assert read_quantisation(write(tmp_path, MISTRAL)) is None
    for group in AWQ_GROUP_SIZES:
        assert read_quantisation(write(tmp_path, {"quantization_config": AWQ | {"group_size": group}})) == Awq(group)
    for key in ("quantization_config", "compression_config"):
        assert read_quantisation(write(tmp_path, {key: AWQ | {"version": "GEMM"}})) == Awq(128)


@pytest.mark.parametrize(
    ("quantisation", "why"),
    [
        ({"quant_method": "fp8"}, "quantised with 'fp8'. Take the model in bf16, f16 or f32"),
        ({"quant_method": "bitsandbytes", "load_in_4bit": True}, "quantised with 'bitsandbytes'"),
        ({"quant_method": ["awq"]}, "quantised with .*awq"),
        ({"bits": 4}, "quantised with None"),
        (AWQ | {"version": "gemv"}, r"version 'gemv'; Fireside reads 'gemm' only"),
        (AWQ | {"bits": 8}, r"bits 8; Fireside reads 4 only"),
        (AWQ | {"zero_point": False}, "zero_point False"),
        (AWQ | {"group_size": 48}, "AWQ with group_size 48; Fireside runs"),
        (AWQ | {"group_size": -1}, "AWQ with group_size -1"),
    ],
)
def test_other_quantisation(quantisation: dict[str, Any], why: str, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedWeights, match=rf"config\.json: .*{why}"):
        read_quantisation(write(tmp_path, MISTRAL | {"quantization_config": quantisation}))


@pytest.mark.parametrize(
    ("quantisation", "why"),
    [
        ("awq", "quantization_config is not an object"),
        (AWQ | {"group_size": "128"}, "group_size is '128', not a whole number"),
    ],
)
def test_senseless_quantisation(quantisation: object, why: str, tmp_path: Path) -> None:
    with pytest.raises(BadWeights, match=rf"config\.json: {why}"):
        read_quantisation(write(tmp_path, MISTRAL | {"quantization_config": quantisation}))


json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.sampled_from([2**64, 32])),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)),
    max_leaves=5,
)


@settings(max_examples=200, deadline=None)
@given(
    change=st.dictionaries(
        st.sampled_from([*MISTRAL, "head_dim", "rope_scaling", "rope_parameters", "quantization_config", "mlp_bias"]),
        json_values,
        max_size=3,
    )
)
def test_any_json_gives_a_sane_config_or_a_clear_error(
    change: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = write(tmp_path_factory.getbasetemp(), MISTRAL | change)
    try:
        config, quantisation = read_hf_config(folder), read_quantisation(folder)
    except FiresideError:
        return
    assert 1 <= config.layers <= 1024
    assert config.heads % config.kv_heads == 0
    assert quantisation is None or isinstance(quantisation, Awq | Gptq | CompressedTensors)
