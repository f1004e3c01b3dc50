"""Adapters on disk: what is read, what is refused and why."""

import json
from pathlib import Path

import numpy as np
import pytest
from ml_dtypes import bfloat16

from fireside.errors import BadAdapter
from fireside.weights.adapter import check_fits, read_adapter
from fireside.weights.adapter_config import TARGETS, read_adapter_config
from fireside.weights.config import read_hf_config
from support.adapters import CONFIG, SIZES, WEIGHTS, adapter_config, adapter_tensors, make_adapter
from support.checkpoints import make_tiny_checkpoint, safetensors_bytes, save_safetensors

PEFT = "base_model.model.model.layers.{layer}.{block}.{module}.lora_{half}.weight"
NAMED = "base_model.model.model.layers.{layer}.{block}.{module}.lora_{half}.default.weight"


@pytest.mark.parametrize(
    "key", [PEFT, NAMED, PEFT.removeprefix("base_model.model."), NAMED.removeprefix("base_model.model.")]
)
@pytest.mark.parametrize("dtype", [np.float32, np.float16, bfloat16])
def test_reads_peft_layouts_and_dtypes(tmp_path: Path, key: str, dtype: type) -> None:
    tensors = adapter_tensors(key=key, dtype=dtype)
    adapter = read_adapter(make_adapter(tmp_path, tensors=tensors))
    assert [(module.layer, module.module, module.rank, module.scale) for module in adapter.modules] == [
        (0, "q_proj", 4, 2.0), (0, "v_proj", 4, 2.0), (1, "q_proj", 4, 2.0), (1, "v_proj", 4, 2.0),
    ]  # fmt: skip
    for module in adapter.modules:
        for name in (module.a_key, module.b_key):
            found = adapter.tensor(name)
            assert found.dtype == np.float32
            np.testing.assert_array_equal(found, tensors[name].astype(np.float32))


def test_every_target_is_read_in_order(tmp_path: Path) -> None:
    config = adapter_config(target_modules=sorted(TARGETS))
    adapter = read_adapter(make_adapter(tmp_path, config, adapter_tensors(sorted(TARGETS))))
    assert tuple(module.module for module in adapter.modules) == TARGETS * 2


@pytest.mark.parametrize(
    "targets",
    [
        "all-linear",
        r".*\.(q|v)_proj",
        ["layers.0.self_attn.q_proj", "model.layers.1.self_attn.q_proj", "v_proj", "c_attn"],
    ],
)
def test_targets_may_be_given_in_other_ways(tmp_path: Path, targets: object) -> None:
    assert len(read_adapter(make_adapter(tmp_path, adapter_config(target_modules=targets))).modules) == 4


def test_scales_and_ranks_by_pattern(tmp_path: Path) -> None:
    config = adapter_config(
        use_rslora=True, lora_alpha=6, r=9,
        rank_pattern={r"layers.0.self_attn.q_proj": 4, "^model.layers.1.self_attn.q_proj": 16},
        alpha_pattern={r"layers\.\d+\.self_attn\.v_proj": 12},
    )  # fmt: skip
    tensors = adapter_tensors(["v_proj"], rank=9) | {
        name: values
        for rank, layer in ((4, 0), (16, 1))
        for name, values in adapter_tensors(["q_proj"], rank=rank).items()
        if f"layers.{layer}." in name
    }
    modules = read_adapter(make_adapter(tmp_path, config, tensors)).modules
    assert [(module.rank, module.scale) for module in modules] == [(4, 3.0), (9, 4.0), (16, 1.5), (9, 4.0)]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"use_dora": True}, "use_dora is set: DoRA"),
        ({"bias": "all"}, "bias is 'all': trained biases"),
        ({"bias": "lora_only"}, "trained biases"),
        ({"lora_bias": True}, "lora_bias is set"),
        ({"modules_to_save": ["lm_head"]}, None),
        ({"target_modules": ["q_proj", "query_key_value", "lm_head"]}, None),
        ({"target_modules": []}, "not a list of module names"),
        ({"target_modules": [5]}, "target_modules is [5], not a list of module names"),
        ({"exclude_modules": {"a": 1}}, "exclude_modules is {'a': 1}, not a list of module names"),
        ({"layers_to_transform": "0"}, "layers_to_transform is '0'"),
        ({"layers_to_transform": [True]}, "layers_to_transform is [True]"),
        ({"layers_pattern": [0]}, "layers_pattern is [0]"),
        ({"layers_pattern": "a{9}{9}{9}"}, "layers_pattern: it has the pattern 'a{9}{9}{9}', which is too elaborate"),
        ({"trainable_token_indices": ["a"]}, "trainable_token_indices is ['a'] for embed_tokens"),
        ({"trainable_token_indices": {"lm_head": 5}}, "trainable_token_indices is 5 for lm_head"),
        ({"trainable_token_indices": [-1]}, "not a list of token ids"),
        ({"target_modules": None}, "target_modules is missing"),
        ({"auto_map": {"AutoModel": "x.Y"}}, "brings no code"),
        ({"trust_remote_code": True}, "brings no code"),
        ({"fan_in_fan_out": True}, "fan_in_fan_out"),
        ({"layer_replication": [[0, 1]]}, "layer_replication"),
        ({"use_qalora": True}, "use_qalora is set: Fireside does not know"),
        ({"use_anything_new": True}, "use_anything_new is set"),
        ({"init_lora_weights": "pissa"}, "init_lora_weights is 'pissa'"),
        ({"peft_type": "IA3"}, "peft_type is 'IA3'"),
        ({"task_type": "SEQ_CLS"}, "task_type is 'SEQ_CLS'"),
        ({"r": None}, "r is missing"),
        ({"r": 0}, "r is 0, not a whole number of 1 or more"),
        ({"r": -1}, "r is -1"),
        ({"r": 4.0}, "r is 4.0"),
        ({"r": True}, "r is True"),
        ({"r": "4"}, "r is '4'"),
        ({"lora_alpha": "8"}, "lora_alpha is '8'"),
        ({"lora_alpha": float("nan")}, "lora_alpha is nan"),
        ({"lora_alpha": float("inf")}, "lora_alpha is inf"),
        ({"lora_alpha": 10**400}, "lora_alpha is 1000"),
        ({"use_rslora": "yes"}, "use_rslora is 'yes'"),
        ({"rank_pattern": []}, "rank_pattern is []"),
        ({"rank_pattern": ["q_proj"]}, "rank_pattern is"),
        ({"rank_pattern": {"q_proj": 0}}, "rank_pattern.q_proj is 0"),
        ({"alpha_pattern": {"q_proj": None}}, "alpha_pattern.q_proj is missing"),
        ({"rank_pattern": {"(a|a)*b": 4}}, None),
        ({"rank_pattern": {"a{1000}": 4}}, "rank_pattern: it has the pattern 'a{1000}', which is too elaborate"),
        ({"rank_pattern": {"(?=a)b": 4}}, "too elaborate"),
        ({"rank_pattern": {"a" * 201: 4}}, "too elaborate"),
        ({"rank_pattern": {"[9-0]": 4}}, "not a regular expression that can be run here"),
        ({"rank_pattern": {"(": 4}}, "not a regular expression that can be run here"),
        ({"rank_pattern": {f"layers.{number}.mlp": 4 for number in range(1025)}}, "more than 1024 patterns"),
        ({"model_type": 5}, "model_type is 5"),
        ({"some_future_key": "value"}, None),
    ],
)
def test_config_is_refused_with_the_reason(tmp_path: Path, changes: dict[str, object], reason: str | None) -> None:
    path = tmp_path / CONFIG
    path.write_text(json.dumps(adapter_config(**changes)))
    if reason is None:
        read_adapter_config(path)
        return
    with pytest.raises(BadAdapter) as caught:
        read_adapter_config(path)
    assert str(caught.value).startswith(f"{CONFIG}: ")
    assert reason in str(caught.value)
    assert str(tmp_path) not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "cannot be read as JSON"),
        (b"\xff{}", "no UTF-8 text"),
        (b"\xff\xfe{}", "cannot be read as JSON"),
        (b'{"rank_pattern": {"\\ud800": 0}}', "lone surrogate"),
        (b"[]", "not a JSON object"),
        (b"null", "not a JSON object"),
        (b'{"r": 4, "r": 5}', "the key 'r' occurs twice"),
        (b"[" * 100_000, "cannot be read as JSON"),
        (b" " * 300_000, "larger than"),
    ],
)
def test_broken_config(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / CONFIG).write_bytes(content)
    with pytest.raises(BadAdapter, match=reason):
        read_adapter_config(tmp_path / CONFIG)


def _entry(dtype: str, shape: list[int], begin: int, end: int) -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


A = PEFT.format(layer=0, block="self_attn", module="q_proj", half="A")
B = PEFT.format(layer=0, block="self_attn", module="q_proj", half="B")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not a sound safetensors file"),
        (bytes(8), "not a sound safetensors file"),
        (b"\xff" * 7 + b"\x7f{}", "not a sound safetensors file"),
        ((2**63).to_bytes(8, "little") + b"{}", "not a sound safetensors file"),
        ((1000).to_bytes(8, "little") + b"{}", "not a sound safetensors file"),
        (safetensors_bytes({}, b""), "holds no tensors"),
        (safetensors_bytes({A: _entry("F32", [4, 2], 0, 32), B: _entry("F32", [2, 4], 16, 48)}, bytes(48)), "sound"),
        (safetensors_bytes({A: _entry("F32", [4, 2], -32, 0)}, bytes(32)), "not a sound"),
        (safetensors_bytes({A: _entry("F32", [4, 2], 0, 64)}, bytes(32)), "not a sound"),
        (safetensors_bytes({A: _entry("F32", [4, 2], 0, 32)}, bytes(16)), "not a sound"),
        (safetensors_bytes({A: _entry("F64", [4, 2], 0, 64)}, bytes(64)), "has dtype F64"),
        (safetensors_bytes({A: _entry("I32", [4, 2], 0, 32)}, bytes(32)), "has dtype I32"),
        (safetensors_bytes({A: _entry("F32", [8], 0, 32)}, bytes(32)), "two dimensions"),
        (safetensors_bytes({A: _entry("F32", [0, 8], 0, 0)}, b""), "two dimensions"),
        (safetensors_bytes({A: _entry("F32", [4, 2], 0, 32)}, bytes(32)), "not its other half lora_B"),
        (b'\x10\0\0\0\0\0\0\0{"a":{},"a":{}} ', "not a sound"),
        (safetensors_bytes({"x" * (1 << 20): _entry("F32", [4, 2], 0, 32)}, bytes(1 << 21)), "more than"),
    ],
)  # fmt: skip
def test_broken_weights(tmp_path: Path, content: bytes, reason: str) -> None:
    folder = make_adapter(tmp_path)
    (folder / WEIGHTS).write_bytes(content)
    with pytest.raises(BadAdapter) as caught:
        read_adapter(folder)
    assert str(caught.value).startswith(f"{WEIGHTS}: ")
    assert reason in str(caught.value)
    assert str(tmp_path) not in str(caught.value)


@pytest.mark.parametrize(
    "name",
    [
        "base_model.model.model.layers.0.self_attn.q_proj.lora_magnitude_vector",
        "base_model.model.model.layers.0.self_attn.q_proj.lora_A.bias",
        "base_model.model.model.layers.0.mlp.q_proj.lora_A.weight",
        "base_model.model.model.layers.00.self_attn.q_proj.lora_A.weight",
        "base_model.model.model.layers.-1.self_attn.q_proj.lora_A.weight",
        "base_model.model.model.layers.0.self_attn.qkv_proj.lora_A.weight",
        "base_model.model.model.embed_tokens.bias",
        "base_model.model.model.layers.0.self_attn.rotary_emb.weight",
        "",
    ],
)
def test_unknown_tensor_is_named(tmp_path: Path, name: str) -> None:
    tensors = adapter_tensors() | {name: np.zeros((4, 128), np.float32)}
    with pytest.raises(BadAdapter, match="is not a LoRA tensor of") as caught:
        read_adapter(make_adapter(tmp_path, tensors=tensors))
    assert repr(name) in str(caught.value)


@pytest.mark.parametrize("name", ["lm_head.lora_A.weight", "model.embed_tokens.lora_embedding_A"])
def test_lora_on_the_vocabulary_is_told_apart(tmp_path: Path, name: str) -> None:
    tensors = adapter_tensors() | {f"base_model.model.{name}": np.zeros((4, 128), np.float32)}
    with pytest.raises(BadAdapter, match="target_modules that leave out embed_tokens and lm_head"):
        read_adapter(make_adapter(tmp_path, tensors=tensors))


def test_modules_without_tensors_are_left_as_they_are(tmp_path: Path) -> None:
    """As PEFT leaves them: the tensors say what is there."""
    adapter = read_adapter(make_adapter(tmp_path, adapter_config(target_modules=list(TARGETS))))
    assert {module.module for module in adapter.modules} == {"q_proj", "v_proj"}


def test_an_adapter_of_copies_alone(tmp_path: Path) -> None:
    tensors = {"base_model.model.lm_head.weight": np.zeros((99, 128), np.float32)}
    with pytest.raises(BadAdapter, match="holds no LoRA"):
        read_adapter(make_adapter(tmp_path, tensors=tensors))


def test_config_and_weights_must_agree(tmp_path: Path) -> None:
    for config, tensors, reason in (
        (adapter_config(r=8), None, "so rank 4; adapter_config.json says 8"),
        (
            adapter_config(target_modules=["q_proj"]),
            None,
            r"self_attn\.v_proj\.lora_A\.weight is there, but",
        ),
        (adapter_config(exclude_modules=r".*v_proj"), None, r"does not adapt model\.layers\.0\.self_attn\.v_proj"),
        (adapter_config(layers_to_transform=[0]), None, r"does not adapt model\.layers\.1\.self_attn\.q_proj"),
        (None, adapter_tensors() | adapter_tensors(key=NAMED), "the same half of the same module"),
    ):
        with pytest.raises(BadAdapter, match=reason):
            read_adapter(make_adapter(tmp_path, config, tensors))


def test_missing_files_are_named(tmp_path: Path) -> None:
    for name in (CONFIG, WEIGHTS):
        folder = make_adapter(tmp_path / name)
        (folder / name).unlink()
        with pytest.raises(BadAdapter, match=name):
            read_adapter(folder)


@pytest.mark.parametrize("arch", ["mistral", "llama"])
def test_fits_its_base_and_no_other(tmp_path: Path, arch: str) -> None:
    make_tiny_checkpoint(tmp_path / "base", arch)  # type: ignore[arg-type]
    base = read_hf_config(tmp_path / "base")
    everything = adapter_config(target_modules=list(SIZES))
    check_fits(read_adapter(make_adapter(tmp_path / "a", everything, adapter_tensors(list(SIZES)))), base)
    with pytest.raises(BadAdapter, match="is for layer 2; the model has 2 layers"):
        check_fits(read_adapter(make_adapter(tmp_path / "b", tensors=adapter_tensors(layers=3))), base)
    for name, shape in ((A, (4, 64)), (B, (130, 4))):
        folder = make_adapter(tmp_path / name)
        save_safetensors(folder / WEIGHTS, adapter_tensors() | {name: np.zeros(shape, np.float32)})
        with pytest.raises(BadAdapter, match="trained on another base"):
            check_fits(read_adapter(folder), base)
