"""Do the files in a folder belong to the model that the catalog describes?"""

from pathlib import Path
from typing import Any

from fireside.catalog.spec import ModelSpec
from fireside.errors import BadWeights
from fireside.weights.json_file import read_json_object
from fireside.weights.quantisation_config import read_quantisation_config

_SIZES = ("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads")


def check_facts(spec: ModelSpec, folder: Path) -> None:
    """Compare the folder's config.json with the catalog's `[architecture]`; a folder without one (GGUF) passes.

    Raises BadWeights that names the file and each fact that differs: a wrong rope base or window does not fail by
    itself, it answers nonsense.
    """
    path = folder / "config.json"
    if not path.is_file():
        return
    config, quantisation = read_json_object(path), read_quantisation_config(folder)
    found = {
        "model_type": config.get("model_type"),
        **{name: config.get(name) for name in _SIZES},
        "num_key_value_heads": config.get("num_key_value_heads", config.get("num_attention_heads")),
        "group_size": None if quantisation is None else quantisation[1].get("group_size"),
        "max_position_embeddings": config.get("max_position_embeddings"),
        "rope_theta": _rope_theta(config),
        "sliding_window": config.get("sliding_window") or 0,
    }
    wrong = [
        f"{name} is {found[name]}, not {expected}"
        for name, expected in spec.architecture.model_dump(exclude_none=True).items()
        if found[name] != expected
    ]
    if wrong:
        raise BadWeights(
            f"{path.name} is not the config of {spec.id}: {'; '.join(wrong)}. Use this model's own files, "
            "or correct [architecture] in its catalog file."
        )


def _rope_theta(config: dict[str, Any]) -> object:
    # Newer checkpoints keep it in a table of rope parameters; Llama's default when unnamed is 10000.
    nested = config.get("rope_parameters")
    if "rope_theta" not in config and isinstance(nested, dict):
        return nested.get("rope_theta")
    return config.get("rope_theta", 10000.0)
