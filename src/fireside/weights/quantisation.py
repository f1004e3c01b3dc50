"""Finds out how a folder stores its quantised linears."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from fireside.errors import UnsupportedWeights
from fireside.weights.awq import read_awq
from fireside.weights.compressed_tensors import read_compressed_tensors
from fireside.weights.gptq import read_gptq
from fireside.weights.quantisation_config import read_quantisation_config
from fireside.weights.quantised import REMEDY, Quantisation

_METHODS: dict[str, Callable[[Path, dict[str, Any]], Quantisation]] = {
    "awq": read_awq,
    "gptq": read_gptq,
    "compressed-tensors": read_compressed_tensors,
}


def read_quantisation(folder: Path) -> Quantisation | None:
    """By the folder's configs; None when they name no quantisation.

    Raises BadWeights for what makes no sense, and UnsupportedWeights, with the name of it, for what Fireside does not
    read.
    """
    said = read_quantisation_config(folder)
    if said is None:
        return None
    file, values = said
    method = values.get("quant_method")
    if not isinstance(method, str) or method not in _METHODS:
        raise UnsupportedWeights(f"{file.name}: the weights are quantised with {repr(method)[:100]}. {REMEDY}")
    return _METHODS[method](file, values)
