"""PEFT's rules over names of modules, against PEFT itself; and what patterns of strangers cost."""

import itertools
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from peft import LoraConfig
from peft.tuners.tuners_utils import check_target_module_exists
from peft.utils.other import get_pattern_key

from fireside.weights.adapter_config import TARGETS, AdapterConfig, read_adapter_config
from fireside.weights.adapter_rules import BadPattern, NamePattern, PatternTable
from support.adapters import CONFIG

NAMES = [
    (f"{prefix}layers.{layer}.{'self_attn' if target[0] in 'qkvo' else 'mlp'}.{target}", layer)
    for prefix in ("model.", "")
    for layer in (0, 1, 11)
    for target in TARGETS
]

RULES: list[dict[str, Any]] = [
    {"target_modules": targets, "exclude_modules": excluded}
    for targets, excluded in itertools.product(
        [
            ["q_proj"],
            list(TARGETS),
            ["proj"],
            ["self_attn.q_proj", "layers.11.mlp.up_proj", "model.layers.1.self_attn.k_proj"],
            ["c_attn", "lm_head", "down_proj"],
            r".*\.(q|v)_proj",
            r"model\.layers\.(?:\d+)\.(?:self_attn|mlp)\.(?:q_proj|up_proj)",
            r"q_proj",
            r".*?\b(?:self_attn|mlp)\b.*[\d]{1,}.*",
        ],
        [None, [], ["gate_proj", "up_proj", "down_proj"], ["mlp.up_proj", "proj"], r".*layers\.1\..*", "q_proj"],
    )
] + [
    {"target_modules": targets, "layers_to_transform": layers, "layers_pattern": pattern}
    for targets, layers, pattern in itertools.product(
        [["q_proj", "down_proj"], ["model.layers.0.self_attn.q_proj", "k_proj"]],
        [None, 1, [], [0], [1, 11], [2]],
        [None, [], "layers", ["h", "layers"], "blocks", "model.layers", "l.*s"],
    )
    if layers not in (None, []) or not pattern  # PEFT itself refuses a pattern for no layers
]


def read(folder: Path, config: LoraConfig) -> AdapterConfig:
    """The config as PEFT writes it."""
    config.save_pretrained(str(folder))
    return read_adapter_config(folder / CONFIG)


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_modules_are_those_that_peft_adapts(rule: dict[str, Any], tmp_path: Path) -> None:
    config = LoraConfig(r=4, **rule)
    ours = read(tmp_path, config).rule
    # Without a name before it, PEFT takes a layer's number for none, and so trains no such adapter.
    chooses_layers = rule.get("layers_to_transform") is not None
    for name, layer in NAMES[: len(NAMES) // 2] if chooses_layers else NAMES:
        assert ours.matches(name, layer) == bool(check_target_module_exists(config, name)), name


PATTERNS = st.sampled_from(
    [
        "q_proj", "mlp.up_proj", "layers.1.self_attn.q_proj", "^model.layers.11.mlp.gate_proj", "model.*", r".*\.1\..*",
        r"layers\.(0|11)\.mlp\.(up|down)_proj", "q_proj|k_proj", "self.attn.v_proj", "[qk]_proj", "_proj", r"\d+\.mlp",
        ".*", "o_pro?j$",
    ]
)  # fmt: skip


@given(st.dictionaries(PATTERNS, st.integers(1, 99), max_size=5))
def test_the_first_pattern_that_fits_counts_as_in_peft(patterns: dict[str, int]) -> None:
    table = PatternTable(patterns)
    for name, _ in NAMES:
        assert table.get(name, 0) == patterns.get(get_pattern_key(list(patterns), name), 0), (name, patterns)


@pytest.mark.parametrize("pattern", [r"(?!.*mlp).*_proj", r"(.*)\1_proj", "(", r"\w{1000}{1000}"])
def test_where_a_pattern_cannot_be_run_the_tensors_say_what_is_adapted(pattern: str, tmp_path: Path) -> None:
    with pytest.raises(BadPattern):
        NamePattern(pattern)
    targets = read(tmp_path, LoraConfig(r=4, target_modules=pattern)).rule
    excluded = read(tmp_path, LoraConfig(r=4, target_modules=["q_proj"], exclude_modules=pattern)).rule
    for rule in (targets, excluded):
        assert rule.matches("model.layers.0.self_attn.q_proj", 0)


def test_all_linear(tmp_path: Path) -> None:
    rule = read(tmp_path, LoraConfig(r=4, target_modules="all-linear", exclude_modules=["up_proj"])).rule
    assert rule.matches("model.layers.0.mlp.down_proj", 0)
    assert not rule.matches("model.layers.0.mlp.up_proj", 0)


@pytest.mark.parametrize("pattern", ["(a|a)*b", "(a*)*b", "(.*a){30}", "((a+)+)+b"])
def test_no_pattern_takes_for_ever(pattern: str) -> None:
    """Python's own engine needs longer than the universe has for these."""
    assert not NamePattern(pattern).matches("a" * 5000 + "c")
