"""Reads a LoRA adapter's adapter_config.json, as PEFT writes it.

What changes the arithmetic is either applied or refused: to ignore it would give fluent nonsense. What only tells how
the adapter was trained is ignored.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from fireside.errors import BadAdapter
from fireside.weights.adapter_rules import (
    BadPattern,
    Everything,
    NamePattern,
    Names,
    PatternTable,
    TargetRule,
    end_pattern,
)
from fireside.weights.block import LINEARS
from fireside.weights.json_file import parse_json

CONFIG_FILE = "adapter_config.json"

TARGETS = tuple(linear.rpartition(".")[2] for linear in LINEARS)
"""The linears of a layer that an adapter may change."""

_MAX_BYTES = 1 << 18
_PLAIN_INITS = (None, True, False, "gaussian", "eva", "orthogonal")
_REFUSED = {
    "use_dora": "DoRA rescales the base model's own weights, which Fireside does not do. Train with use_dora=False.",
    "lora_bias": "biases of the adapter's own layers are not supported. Train with lora_bias=False.",
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
_Value = TypeVar("_Value")
_Rule = TypeVar("_Rule")


@dataclass(frozen=True, slots=True)
class AdapterConfig:
    """What adapter_config.json says.

    Args:
        rule: which modules are adapted.
        ranks: those of modules that have another than `rank`.
        alphas: the same for `alpha`.
        token_rows: ids of tokens whose embedding was trained, by the layer that holds it.
        base_model: name of the base model, as the trainer knew it; empty when the file has none.
        model_type: architecture of the base, such as "mistral"; None when the file does not say.
    """

    rank: int
    alpha: float
    rank_stabilised: bool
    rule: TargetRule
    ranks: PatternTable[int]
    alphas: PatternTable[float]
    token_rows: Mapping[str, tuple[int, ...]]
    base_model: str
    model_type: str | None

    def rank_of(self, module: str) -> int:
        """Rank of the module of this full name, such as "model.layers.0.self_attn.q_proj"."""
        return self.ranks.get(module, self.rank)

    def scale_of(self, module: str) -> float:
        """What B A is multiplied by: alpha / rank, or alpha / sqrt(rank) for rsLoRA."""
        rank = self.rank_of(module)
        return self.alphas.get(module, self.alpha) / (math.sqrt(rank) if self.rank_stabilised else rank)


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
        rule=_rule(values),
        ranks=_table(values, "rank_pattern", _rank),
        alphas=_table(values, "alpha_pattern", _number),
        token_rows=_token_rows(values),
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


def _rule(values: dict[str, Any]) -> TargetRule:
    given = values.get("target_modules")
    if not given:
        raise _fail(f"target_modules is {_shown(given)}, not a list of module names.")
    layers, patterns = (values.get(key) for key in ("layers_to_transform", "layers_pattern"))
    if not _is_some_of(layers, int):
        raise _fail(f"layers_to_transform is {_shown(layers)}, not a list of layers' numbers.")
    if not _is_some_of(patterns, str):
        raise _fail(f"layers_pattern is {_shown(patterns)}, not a list of names.")
    try:
        return TargetRule(
            # What cannot be run decides nothing: the tensors say what is adapted.
            targets=Everything() if given == "all-linear" else _modules(values, "target_modules", Everything()),
            excluded=_modules(values, "exclude_modules", Names()),
            layers=frozenset(_as_list(layers)) or None,
            layers_patterns=tuple(end_pattern(pattern, after=r"\.\d+\..*") for pattern in _as_list(patterns)),
        )
    except BadPattern as error:
        raise _fail(f"layers_pattern: {error}.") from error


def _modules(values: dict[str, Any], key: str, otherwise: _Rule) -> Names | NamePattern | _Rule:
    """The modules of a list of names, or of a regular expression; `otherwise` for one that cannot be run."""
    given = values.get(key)
    if not isinstance(given, str) or not given:
        if not _is_some_of(given, str):
            raise _fail(f"{key} is {_shown(given)}, not a list of module names.")
        return Names(frozenset(_as_list(given)))
    try:
        return NamePattern(given)
    except BadPattern:
        return otherwise


def _table(values: dict[str, Any], key: str, read: Callable[[object, str], _Value]) -> PatternTable[_Value]:
    given = {} if values.get(key) is None else values[key]
    if not isinstance(given, dict):
        raise _fail(f"{key} is {_shown(given)}, not an object.")
    try:
        return PatternTable({pattern: read(value, f"{key}.{pattern[:100]}") for pattern, value in given.items()})
    except BadPattern as error:
        raise _fail(f"{key}: {error}.") from error


def _token_rows(values: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    """A list of ids is for the embedding; PEFT takes lists by layer, too."""
    key = "trainable_token_indices"
    given = values.get(key) or {}
    by_layer = given if isinstance(given, dict) else {"embed_tokens": given}
    for layer, ids in by_layer.items():
        if not isinstance(ids, list) or not _is_some_of(ids, int) or min(ids, default=0) < 0:
            raise _fail(f"{key} is {_shown(ids)} for {layer[:100]}, not a list of token ids.")
    return {layer.rpartition(".")[2]: tuple(ids) for layer, ids in by_layer.items()}


def _as_list(value: Any) -> list[Any]:
    """Where PEFT writes a list, it takes the one thing, too."""
    return value if isinstance(value, list) else [] if value in (None, "") else [value]


def _is_some_of(value: Any, kind: type) -> bool:
    return all(isinstance(item, kind) and not isinstance(item, bool) for item in _as_list(value))


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
