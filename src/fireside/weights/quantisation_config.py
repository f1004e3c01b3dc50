"""What a folder's JSON says of how its weights are quantised, wherever it says so and whatever it calls things.

transformers keeps it in config.json; AutoAWQ wrote a file of its own first, and AutoGPTQ another.
"""

from pathlib import Path
from typing import Any

from fireside.errors import BadWeights
from fireside.weights.json_file import read_json_object

_KEYS = ("quantization_config", "compression_config")
"""In config.json; the second is what compressed-tensors called it at first."""
_OWN_FILES = {"quant_config.json": "awq", "quantize_config.json": "gptq"}
"""Which file says it for which method."""
_OTHER_NAMES = {"w_bit": "bits", "q_group_size": "group_size"}
"""AutoAWQ's names, and transformers' for the same."""
_COMPARED = ("quant_method", "bits", "group_size", "version", "zero_point", "sym", "desc_act")


def quantisation_files(folder: Path) -> list[Path]:
    """The files that may say it, config.json apart."""
    return [folder / name for name in _OWN_FILES if (folder / name).is_file()]


def read_quantisation_config(folder: Path) -> tuple[Path, dict[str, Any]] | None:
    """The file that says it and what it says, by transformers' names; None for weights that are not quantised.

    Raises BadWeights when a file is unsound, or two files say different things.
    """
    found: list[tuple[Path, dict[str, Any]]] = []
    config = folder / "config.json"
    values = read_json_object(config)
    for key in _KEYS:
        if (given := values.get(key)) is not None:
            if not isinstance(given, dict):
                raise BadWeights(f"{config.name}: {key} is not an object.")
            found.append((config, _renamed(config, given)))
    for file in quantisation_files(folder):
        found.append((file, _renamed(file, {"quant_method": _OWN_FILES[file.name], **read_json_object(file)})))
    if not found:
        return None
    (first, values), *others = found
    for file, other in others:
        for key in _COMPARED:
            if key in values and key in other and values[key] != other[key]:
                raise BadWeights(
                    f"{file.name}: {key} is {str(other[key])[:100]}, and {first.name} says {str(values[key])[:100]}. "
                    "Remove the file that is not this model's."
                )
    return first, {key: value for _, said in reversed(found) for key, value in said.items()}


def _renamed(file: Path, given: dict[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key, value in given.items():
        if value is None:
            continue
        name = _OTHER_NAMES.get(key, key)
        if name in ("quant_method", "version") and isinstance(value, str):
            value = value.lower()
        if values.setdefault(name, value) != value:
            raise BadWeights(f"{file.name}: {name} is given twice, as {values[name]!r} and as {value!r}.")
    return values
