"""Reads a LoRA adapter's adapter_config.json, as PEFT writes it.

What changes the arithmetic is either applied or refused: to ignore it would give fluent nonsense. What only tells how
the adapter was trained is ignored.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from fireside.errors import BadAdapter
from fireside.weights.json_file import parse_json

CONFIG_FILE = "adapter_config.json"

TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
"""The linears of a layer that an adapter may change."""

_MAX_BYTES = 1 << 18
_MAX_PATTERNS = 4096
_MAX_WILD_PATTERNS = 16
_PLAIN_INITS = (None, True, False, "gaussian", "eva", "orthogonal")
_REFUSED = {
    "use_dora": "DoRA rescales the base model's own weights, which Fireside does not do. Train with use_dora=False.",
    "lora_bias": "biases of the adapter's own layers are not supported. Train with lora_bias=False.",
    "modules_to_save": "whole layers that were trained beside the adapter are not supported. Train without them.",
    "trainable_token_indices": "trained embeddings are not supported. Train without them.",
    "target_parameters": "adapters on parameters rather than on linear layers are not supported.",
    "layer_replication": "replicated layers are not supported.",
    "fan_in_fan_out": "weights stored the other way round are not supported.",
    "alora_invocation_tokens": "activated LoRA is not supported.",
    "arrow_config": "routing between adapters is not supported.",
    "megatron_config": "Megatron's parallel layers are not supported.",
    "auto_map": "an adapter brings no code here. Remove the key.",
    "trust_remote_code": "an adapter brings no code here. Remove the key.",
}
_KNOWN_SWITCHES = ("use_dora", "use_rslora")


@dataclass(frozen=True, slots=True)
class AdapterConfig:
    """What adapter_config.json says.

    Args:
        targets: names of `TARGETS` that are adapted; None when the file gives a regular expression or "all-linear".
        base_model: name of the base model, as the trainer knew it; empty when the file has none.
        model_type: architecture of the base, such as "mistral"; None when the file does not say.
    """

    rank: int
    alpha: float
    rank_stabilised: bool
    targets: frozenset[str] | None
    rank_pattern: Mapping[str, int]
    alpha_pattern: Mapping[str, float]
    base_model: str
    model_type: str | None

    def rank_of(self, module: str) -> int:
        """Rank of the module of this full name, such as "model.layers.0.self_attn.q_proj"."""
        return _match(self.rank_pattern, module, self.rank)

    def scale_of(self, module: str) -> float:
        """What B A is multiplied by: alpha / rank, or alpha / sqrt(rank) for rsLoRA."""
        rank = self.rank_of(module)
        return _match(self.alpha_pattern, module, self.alpha) / (math.sqrt(rank) if self.rank_stabilised else rank)


def read_adapter_config(path: Path) -> AdapterConfig:
    """Read and check the file. Raises BadAdapter naming the key and the reason."""
    values = _load(path)
    _refuse_what_is_not_run(values)
    rank = _rank(values.get("r"), "r")
    return AdapterConfig(
        rank=rank,
        # PEFT's own default for a file without it.
        alpha=_number(values.get("lora_alpha", 8), "lora_alpha"),
        rank_stabilised=_boolean(values, "use_rslora"),
        targets=_targets(values),
        rank_pattern={name: _rank(value, f"rank_pattern.{name}") for name, value in _patterns(values, "rank_pattern")},
        alpha_pattern={
            name: _number(value, f"alpha_pattern.{name}") for name, value in _patterns(values, "alpha_pattern")
        },
        base_model=_text(values, "base_model_name_or_path") or "",
        model_type=_text(values, "model_type"),
    )


def _fail(reason: str) -> BadAdapter:
    return BadAdapter(f"{CONFIG_FILE}: {reason}")


def _load(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise _fail(f"larger than {_MAX_BYTES} bytes, so not an adapter's config.")
        values = parse_json(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise _fail(f"cannot be read as JSON: {_unplaced(error)}.") from error
    if not isinstance(values, dict):
        raise _fail("not a JSON object.")
    return values


def _unplaced(error: Exception) -> str:
    """What went wrong, without the file's place on the server."""
    if isinstance(error, OSError):
        return error.strerror or "it cannot be opened"
    return "it holds no UTF-8 text" if isinstance(error, UnicodeDecodeError) else str(error)


def _refuse_what_is_not_run(values: dict[str, Any]) -> None:
    kind = values.get("peft_type", "LORA")
    if not isinstance(kind, str) or kind.upper() != "LORA":
        raise _fail(f"peft_type is {kind!r}; Fireside runs 'LORA' only.")
    if values.get("task_type") not in (None, "CAUSAL_LM"):
        raise _fail(f"task_type is {values['task_type']!r}; Fireside runs 'CAUSAL_LM' only.")
    if values.get("bias", "none") not in (None, "none"):
        raise _fail(f"bias is {values['bias']!r}: trained biases are not supported. Train with bias='none'.")
    for key, reason in _REFUSED.items():
        if values.get(key):
            raise _fail(f"{key} is set: {reason}")
    for key, value in values.items():
        if key.startswith("use_") and key not in _KNOWN_SWITCHES and value:
            raise _fail(f"{key[:100]} is set: Fireside does not know this variant of LoRA.")
    start = values.get("init_lora_weights")
    if not any(start is plain or (isinstance(plain, str) and start == plain) for plain in _PLAIN_INITS):
        raise _fail(
            f"init_lora_weights is {start!r}: such an adapter belongs to changed base weights. Save it converted to an "
            "ordinary LoRA (PEFT: save_pretrained with path_initial_model_for_weight_conversion)."
        )


def _targets(values: dict[str, Any]) -> frozenset[str] | None:
    given = values.get("target_modules")
    if isinstance(given, str) and given:
        return None
    if not isinstance(given, list) or not given or not all(isinstance(name, str) for name in given):
        raise _fail(f"target_modules is {_shown(given)}, not a list of module names.")
    names = frozenset(name.rpartition(".")[2] for name in given)
    if strange := sorted(names.difference(TARGETS)):
        raise _fail(f"target_modules has {_shown(strange[0])}; Fireside adapts {', '.join(TARGETS)} only.")
    return names


def _patterns(values: dict[str, Any], key: str) -> list[tuple[str, Any]]:
    """Patterns are regular expressions, and theirs is the time it takes to match one: only tame ones are run."""
    given = values.get(key)
    if given is None:
        return []
    if not isinstance(given, dict):
        raise _fail(f"{key} is {_shown(given)}, not an object.")
    wild = sum(any(sign in pattern for sign in "*+?{") for pattern in given)
    if len(given) > _MAX_PATTERNS or wild > _MAX_WILD_PATTERNS:
        raise _fail(f"{key} has more than {_MAX_PATTERNS} entries, or {_MAX_WILD_PATTERNS} with wildcards.")
    for pattern in given:
        if len(pattern) > 200 or not _TAME.fullmatch(pattern) or len(re.findall(r"[*+]", pattern)) > 2:
            raise _fail(f"{key} has the pattern {_shown(pattern)}, which is too elaborate. Write the modules' names.")
        try:
            re.compile(pattern)
        except re.error as error:
            raise _fail(f"{key} has the pattern {_shown(pattern)}, which is no regular expression: {error}.") from error
    return list(given.items())


# Names with alternatives, and the repetitions ".*", "\d+" and "[0-9]+". No groups: (a|a)(a|a)… takes for ever to fail.
_TAME = re.compile(r"\^?(?:[A-Za-z0-9_.|]|\\\.|(?:\.|\\d|\[0-9\])[*+]|\\d|\[[0-9-]+\])*\$?")

_Value = TypeVar("_Value")


def _match(patterns: Mapping[str, _Value], module: str, default: _Value) -> _Value:
    """PEFT's rule: the first pattern that is the module's name, or its end after a dot."""
    for pattern, value in patterns.items():
        if re.match(rf"(.*\.)?({pattern})$", module):
            return value
    return default


def _rank(value: object, key: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise _fail(f"{key} is {_shown(value)}, not a whole number of 1 or more.")
    return value


def _number(value: object, key: str) -> float:
    # The bound keeps scales, and what they are multiplied with, far within what a float32 holds.
    if not isinstance(value, int | float) or isinstance(value, bool) or not abs(value) <= 1e6:
        raise _fail(f"{key} is {_shown(value)}, not a number between -1,000,000 and 1,000,000.")
    return float(value)


def _boolean(values: dict[str, Any], key: str) -> bool:
    value = values.get(key)
    if value not in (None, True, False):
        raise _fail(f"{key} is {_shown(value)}, not true or false.")
    return bool(value)


def _text(values: dict[str, Any], key: str) -> str | None:
    value = values.get(key)
    if value is not None and not isinstance(value, str):
        raise _fail(f"{key} is {_shown(value)}, not a string.")
    return value


def _shown(value: object) -> str:
    return "missing" if value is None else repr(value)[:100]
