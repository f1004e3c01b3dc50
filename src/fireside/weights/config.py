"""Reads a checkpoint folder's `config.json`, as transformers writes it (version 5 and those before)."""

from pathlib import Path
from typing import Any

from fireside.errors import BadWeights, UnsupportedWeights
from fireside.weights.checkpoint import ModelConfig
from fireside.weights.json_file import read_json_object
from fireside.weights.shapes import check_config

_ARCHITECTURES = ("MistralForCausalLM", "LlamaForCausalLM")
_KEYS = {
    "layers": "num_hidden_layers",
    "heads": "num_attention_heads",
    "kv_heads": "num_key_value_heads",
    "context_length": "max_position_embeddings",
    "norm_eps": "rms_norm_eps",
}


def read_hf_config(path: Path) -> ModelConfig:
    """The model's shape, from `path`/config.json.

    Raises BadWeights for a file that is missing, broken or senseless, and UnsupportedWeights for a sound one of a model
    that Fireside does not run; both name the file and the key.
    """
    file = path / "config.json"
    values = read_json_object(file)
    architecture = _architecture(file, values)
    _refuse_variants(file, values)
    hidden = whole_number(file, values, "hidden_size")
    heads = whole_number(file, values, "num_attention_heads")
    if heads < 1:
        raise BadWeights(f"{file.name}: num_attention_heads is {heads}, not positive.")
    if values.get("head_dim") is None and hidden % heads:
        raise BadWeights(f"{file.name}: hidden_size {hidden} is not a multiple of num_attention_heads {heads}.")
    mistral = architecture == "MistralForCausalLM"
    window = values.get("sliding_window", 4096) if mistral else None  # 4096 is MistralConfig's own default
    config = ModelConfig(
        vocab_size=whole_number(file, values, "vocab_size"),
        hidden_size=hidden,
        intermediate_size=whole_number(file, values, "intermediate_size"),
        layers=whole_number(file, values, "num_hidden_layers"),
        heads=heads,
        # Llama files older than grouped-query attention do not have the key.
        kv_heads=whole_number(file, values, "num_key_value_heads", None if mistral else heads),
        head_dim=whole_number(file, values, "head_dim", hidden // heads),
        context_length=whole_number(file, values, "max_position_embeddings"),
        rope_theta=_rope_theta(file, values),
        norm_eps=_number(file, values, "rms_norm_eps"),
        sliding_window=None if window is None else whole_number(file, {"sliding_window": window}, "sliding_window"),
        tie_embeddings=_boolean(file, values, "tie_word_embeddings"),
    )
    check_config(config, file.name, _KEYS)
    return config


def _architecture(file: Path, values: dict[str, Any]) -> str:
    names = values.get("architectures")
    if not isinstance(names, list) or len(names) != 1 or not isinstance(names[0], str):
        raise BadWeights(f"{file.name}: architectures is {names!r}, not a list of one name.")
    name: str = names[0]
    if name not in _ARCHITECTURES:
        raise UnsupportedWeights(
            f"{file.name}: the architecture is {name}; Fireside runs {' and '.join(_ARCHITECTURES)}."
        )
    return name


def _refuse_variants(file: Path, values: dict[str, Any]) -> None:
    """Options that change the arithmetic; to ignore one would give fluent nonsense."""
    expected = {"hidden_act": "silu", "attention_bias": False, "mlp_bias": False, "partial_rotary_factor": 1.0}
    for key, value in expected.items():
        if values.get(key, value) != value:
            raise UnsupportedWeights(f"{file.name}: {key} is {values[key]!r}; Fireside runs {value!r} only.")


def _rope_theta(file: Path, values: dict[str, Any]) -> float:
    theta: dict[str, Any] = {"rope_theta": values.get("rope_theta", 10000.0)}
    for key in ("rope_parameters", "rope_scaling"):
        rope = values.get(key)
        if rope is None:
            continue
        if not isinstance(rope, dict):
            raise BadWeights(f"{file.name}: {key} is not an object.")
        kind = rope.get("rope_type", rope.get("type", "default"))
        if kind != "default" or rope.get("partial_rotary_factor", 1.0) != 1.0:
            raise UnsupportedWeights(
                f"{file.name}: {key} is {rope!r}; Fireside runs the default rotary embedding only."
            )
        theta["rope_theta"] = rope.get("rope_theta", theta["rope_theta"])
    return _number(file, theta, "rope_theta")


def whole_number(file: Path, values: dict[str, Any], key: str, default: int | None = None) -> int:
    """What the object of the config `file` says; `default` where it says nothing or null. Raises BadWeights."""
    value = values.get(key)
    if value is None:
        value = default
    if not isinstance(value, int) or isinstance(value, bool):
        raise BadWeights(
            f"{file.name}: {key} is {'missing' if value is None else repr(value) + ', not a whole number'}."
        )
    return value


def _number(file: Path, values: dict[str, Any], key: str) -> float:
    value = values.get(key)
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise BadWeights(f"{file.name}: {key} is {'missing' if value is None else repr(value) + ', not a number'}.")
    try:
        return float(value)
    except OverflowError as error:
        raise BadWeights(f"{file.name}: {key} is too large.") from error


def _boolean(file: Path, values: dict[str, Any], key: str) -> bool:
    value = values.get(key, False)
    if not isinstance(value, bool):
        raise BadWeights(f"{file.name}: {key} is {value!r}, not true or false.")
    return value
