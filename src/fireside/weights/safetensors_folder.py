"""A folder as transformers saves it (config.json and safetensors files, plain or quantised) as a `Checkpoint`."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fireside.errors import BadWeights, UnsupportedWeights
from fireside.weights.architectures.architecture import Architecture
from fireside.weights.awq import read_awq
from fireside.weights.checkpoint import AwqLinear, BlockLinear, Coding, ModelConfig
from fireside.weights.compressed_tensors import read_compressed_tensors
from fireside.weights.config import read_architecture
from fireside.weights.fingerprint import fingerprint_files
from fireside.weights.gptq import read_gptq
from fireside.weights.json_file import read_json_object
from fireside.weights.quantisation_config import quantisation_files, read_quantisation_config
from fireside.weights.quantised import REMEDY, Quantisation, QuantisedLinear, TensorSet
from fireside.weights.safetensors_file import SafetensorsFile, StoredTensor, read_safetensors
from fireside.weights.shapes import tensor_shapes

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


_SINGLE, _INDEX = "model.safetensors", "model.safetensors.index.json"
_MAX_INDEX_BYTES = 1 << 26


class SafetensorsCheckpoint:
    """See `Checkpoint`. Raises BadWeights and UnsupportedWeights when the headers do not fit config.json."""

    def __init__(self, folder: Path) -> None:
        architecture, self._config = read_architecture(folder)
        quantisation = read_quantisation(folder)
        files, index = _open_files(folder)
        self._tensors = TensorSet(folder, dict(_text_tensors(architecture, files)))
        _check_index(folder, index, files)
        self._quantised = _check_tensors(self._tensors, self._config, quantisation)
        heads = {file.path: file.header_size for file in files}
        configs = dict.fromkeys([folder / "config.json", *quantisation_files(folder)], _MAX_INDEX_BYTES)
        self._fingerprint = fingerprint_files(heads | configs)

    @property
    def config(self) -> ModelConfig:
        return self._config

    @property
    def fingerprint(self) -> str:
        return self._fingerprint

    def dense(self, name: str) -> NDArray[np.float32]:
        """The tensor as float32: a mapped view when stored so, else a new array. Raises BadWeights."""
        name = self._source(name)
        quantised = self._quantised.get(name)
        return self._tensors.find(_tensor_name(name)).float32() if quantised is None else quantised.dense()

    def coding(self, name: str) -> Coding | None:
        """See `Checkpoint`."""
        quantised = self._quantised.get(self._source(name))
        return None if quantised is None else quantised.coding

    def linear(self, name: str) -> NDArray[np.float32] | AwqLinear | BlockLinear:
        """The linear as float32 [out, in], or its codes where the file has them. Raises BadWeights."""
        quantised = self._quantised.get(self._source(name))
        return self.dense(name) if quantised is None else quantised.read()

    def _source(self, name: str) -> str:
        return "embed_tokens" if name == "lm_head" and self._config.tie_embeddings else name


def _text_tensors(architecture: Architecture, files: list[SafetensorsFile]) -> Iterator[tuple[str, StoredTensor]]:
    """The tensors of the text model, by the names that they have when it is all there is."""
    for file in files:
        for stored, tensor in file.tensors.items():
            name = architecture.text_tensor(stored)
            if name is not None:
                yield name, replace(tensor, name=name)


def _check_tensors(
    tensors: TensorSet, config: ModelConfig, quantisation: Quantisation | None
) -> dict[str, QuantisedLinear]:
    """Check that the model's tensors and no others are there; returns what is quantised, by Fireside's names."""
    known: set[str] = set()
    found: dict[str, QuantisedLinear] = {}
    for name, shape in tensor_shapes(config):
        linear = (
            quantisation.open_linear(tensors, _stored_name(name), shape) if quantisation and len(shape) == 2 else None
        )
        if linear is not None:
            known |= linear.tensors
            found[name] = linear
        else:
            known.add(tensors.floats(_tensor_name(name), shape).name)
    for stored in sorted(tensors.tensors.keys() - known):
        # Files of old transformers keep the rotary frequencies, and a tied head may be stored anyway.
        spare = stored.endswith("rotary_emb.inv_freq") or (stored == "lm_head.weight" and config.tie_embeddings)
        if not spare and not (quantisation and quantisation.is_spare(stored)):
            raise UnsupportedWeights(
                f"{tensors.find(stored).path.name}: tensor {stored} has no place in config.json's model."
            )
    return found


def _stored_name(name: str) -> str:
    return name if name == "lm_head" else f"model.{name}"


def _tensor_name(name: str) -> str:
    """The stored tensor of a weight or a bias that is kept as floats."""
    return _stored_name(name) if name.endswith(".bias") else f"{_stored_name(name)}.weight"


def _open_files(folder: Path) -> tuple[list[SafetensorsFile], Mapping[str, str]]:
    """The folder's files, and the index (tensor to file name; empty when there is one file)."""
    if (folder / _INDEX).is_file():
        index = _read_index(folder / _INDEX)
        names = sorted(set(index.values()))
        for name in names:
            if not (folder / name).is_file():
                raise BadWeights(f"{folder.name}: {_INDEX} names {name}, which is not there. Fetch the model again.")
        return [read_safetensors(folder / name) for name in names], index
    if (folder / _SINGLE).is_file():
        return [read_safetensors(folder / _SINGLE)], {}
    raise BadWeights(f"{folder.name}: has safetensors files, but neither {_SINGLE} nor {_INDEX}.")


def _read_index(path: Path) -> dict[str, str]:
    entries = read_json_object(path, _MAX_INDEX_BYTES).get("weight_map")
    if not isinstance(entries, dict) or not entries:
        raise BadWeights(f"{path.name}: has no weight_map.")
    for tensor, name in entries.items():
        # A shard is a file of this folder and nothing else: no path, drive or parent.
        if not isinstance(name, str) or not name.endswith(".safetensors") or set(name) & set("/\\:\0"):
            raise BadWeights(f"{path.name}: places {tensor} in {name!r}, which is not the name of a safetensors file.")
    return entries


def _check_index(folder: Path, index: Mapping[str, str], files: list[SafetensorsFile]) -> None:
    found: dict[str, str] = {}
    for file in files:
        for name in file.tensors:
            if name in found:
                raise BadWeights(f"{folder.name}: tensor {name} is in both {found[name]} and {file.path.name}.")
            found[name] = file.path.name
    for name, place in index.items():
        if found.get(name) != place:
            raise BadWeights(f"{place}: has no tensor {name}, though {_INDEX} says so.")
