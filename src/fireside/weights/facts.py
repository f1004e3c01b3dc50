"""Do the files belong to the model that the catalog describes?"""

from pathlib import Path
from typing import Any

from fireside.catalog.spec import ModelSpec
from fireside.errors import BadWeights
from fireside.weights.architectures import ARCHITECTURES
from fireside.weights.gguf_checkpoint import GgufCheckpoint
from fireside.weights.gguf_names import gguf_in
from fireside.weights.json_file import read_json_object
from fireside.weights.quantisation_config import read_quantisation_config

_SIZES = ("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads")


def check_facts(spec: ModelSpec, place: Path) -> None:
    """Compare a folder's config.json, or what a GGUF file says of itself, with the catalog's `[architecture]`.

    Args:
        place: a GGUF file, or a folder with one or with config.json; with neither, it passes.

    Raises BadWeights that names the file and each fact that differs: a wrong rope base or window does not fail by
    itself, it answers nonsense. Also raises what a GGUF file's header that cannot be read, or several files, do.
    """
    expected = spec.architecture.model_dump(exclude_none=True)
    path = place / "config.json"
    if path.is_file():
        found = _of_config(read_json_object(path), read_quantisation_config(place))
    elif expected and (gguf := gguf_in(place)):
        path, found = gguf, _of_gguf(gguf)
    else:
        return
    wrong = [
        f"{name} is {found[name]}, not {value}"
        for name, value in expected.items()
        if name in found and found[name] != value
    ]
    if wrong:
        raise BadWeights(
            f"{path.name} is not of the model {spec.id}: {'; '.join(wrong)}. Use this model's own files, "
            "or correct [architecture] in its catalog file."
        )


def _of_gguf(path: Path) -> dict[str, object]:
    """What a GGUF file tells: it calls Mistral a llama, and llama.cpp's converter leaves out the window."""
    config = GgufCheckpoint(path).config
    return {
        "vocab_size": config.vocab_size,
        "hidden_size": config.hidden_size,
        "intermediate_size": config.intermediate_size,
        "num_hidden_layers": config.layers,
        "num_attention_heads": config.heads,
        "num_key_value_heads": config.kv_heads,
        "head_dim": config.head_dim,
        "max_position_embeddings": config.context_length,
        "rope_theta": config.rope_theta,
    }


def _of_config(config: dict[str, Any], quantisation: tuple[Path, dict[str, Any]] | None) -> dict[str, object]:
    model_type = config.get("model_type")
    known = next((one for one in ARCHITECTURES if one.model_type == model_type), None)
    if known is not None and known.in_larger_model and isinstance(text := config.get("text_config"), dict):
        # Of a model for images the text model is compared; its part leaves out what is transformers' default.
        config = {**known.defaults, **config, **text}
    return {
        "model_type": model_type,
        **{name: config.get(name) for name in _SIZES},
        "num_key_value_heads": config.get("num_key_value_heads", config.get("num_attention_heads")),
        **({"head_dim": config["head_dim"]} if "head_dim" in config else {}),
        "group_size": None if quantisation is None else _group_size(quantisation[1]),
        "max_position_embeddings": config.get("max_position_embeddings"),
        "rope_theta": _rope_theta(config),
        "sliding_window": config.get("sliding_window") or 0,
    }


def _rope_theta(config: dict[str, Any]) -> object:
    # Newer checkpoints keep it in a table of rope parameters; Llama's default when unnamed is 10000.
    nested = config.get("rope_parameters")
    if "rope_theta" not in config and isinstance(nested, dict):
        return nested.get("rope_theta")
    return config.get("rope_theta", 10000.0)


def _group_size(quantisation: dict[str, Any]) -> object:
    match quantisation:
        case {"config_groups": {**groups}}:  # compressed-tensors
            match list(groups.values()):
                case [{"weights": {"group_size": size}}]:
                    return size
    return quantisation.get("group_size")
