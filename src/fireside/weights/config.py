"""Reads a checkpoint folder's `config.json`, as transformers writes it (version 5 and those before)."""

from pathlib import Path
from typing import Any

from fireside.errors import BadWeights, UnsupportedWeights
from fireside.weights.architectures import HF_CLASSES, of_hf_class, supported
from fireside.weights.architectures.architecture import Architecture
from fireside.weights.checkpoint import ModelConfig
from fireside.weights.hf_rope import read_rope
from fireside.weights.hf_values import HfValues
from fireside.weights.json_file import read_json_object
from fireside.weights.shapes import check_config

_KEYS = {
    "layers": "num_hidden_layers",
    "heads": "num_attention_heads",
    "kv_heads": "num_key_value_heads",
    "context_length": "max_position_embeddings",
    "norm_eps": "rms_norm_eps",
}


def read_hf_config(path: Path) -> ModelConfig:
    """The model's shape, from `path`/config.json; see `read_architecture`."""
    return read_architecture(path)[1]


def read_architecture(path: Path) -> tuple[Architecture, ModelConfig]:
    """The architecture and the model's shape, from `path`/config.json.

    Raises BadWeights for a file that is missing, broken or senseless, and UnsupportedWeights for a sound one of a model
    that Fireside does not run; both name the file and the key.
    """
    file = path / "config.json"
    entries = read_json_object(file)
    architecture = _architecture(file, entries)
    values = architecture.text_values(file, entries)
    _refuse_variants(values, architecture)
    hidden = values.whole_number("hidden_size")
    heads = values.whole_number("num_attention_heads")
    if heads < 1:
        raise BadWeights(f"{file.name}: num_attention_heads is {heads}, not positive.")
    if values.get("head_dim") is None and hidden % heads:
        raise BadWeights(f"{file.name}: hidden_size {hidden} is not a multiple of num_attention_heads {heads}.")
    theta, scaling = read_rope(values)
    config = ModelConfig(
        vocab_size=values.whole_number("vocab_size"),
        hidden_size=hidden,
        intermediate_size=values.whole_number("intermediate_size"),
        layers=values.whole_number("num_hidden_layers"),
        heads=heads,
        kv_heads=values.whole_number("num_key_value_heads", heads),
        head_dim=values.whole_number("head_dim", hidden // heads),
        context_length=values.whole_number("max_position_embeddings"),
        rope_theta=theta,
        rope_scaling=scaling,
        norm_eps=values.number("rms_norm_eps"),
        tie_embeddings=values.boolean("tie_word_embeddings"),
        block=architecture.block,
    )
    check_config(config, file.name, _KEYS)
    config = architecture.from_hf(values, config)
    check_config(config, file.name, _KEYS)
    return architecture, config


def _architecture(file: Path, entries: dict[str, Any]) -> Architecture:
    names = entries.get("architectures")
    if not isinstance(names, list) or len(names) != 1 or not isinstance(names[0], str):
        raise BadWeights(f"{file.name}: architectures is {repr(names)[:200]}, not a list of one name.")
    architecture = of_hf_class(names[0])
    if architecture is None:
        raise UnsupportedWeights(f"{file.name}: the architecture is {names[0][:100]}; {supported(HF_CLASSES)}")
    return architecture


def _refuse_variants(values: HfValues, architecture: Architecture) -> None:
    """Options that change the arithmetic; to ignore one would give fluent nonsense."""
    for key, accepted in architecture.accepted.items():
        value = values.get(key)
        if value is not None and value not in accepted:
            run = " and ".join(map(repr, accepted))
            raise UnsupportedWeights(f"{values.file.name}: {key} is {repr(value)[:100]}; Fireside runs {run} only.")
