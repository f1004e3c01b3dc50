"""A folder as transformers saves it (config.json and safetensors files, plain or AWQ) as a `Checkpoint`."""

from collections.abc import Mapping
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from fireside.errors import BadWeights, UnsupportedWeights
from fireside.weights.checkpoint import AwqLinear, Coding, ModelConfig
from fireside.weights.config import read_awq_group_size, read_hf_config
from fireside.weights.fingerprint import fingerprint_files
from fireside.weights.json_file import read_json_object
from fireside.weights.quantisation_config import quantisation_files
from fireside.weights.safetensors_file import SafetensorsFile, StoredTensor, check_shape, read_safetensors
from fireside.weights.shapes import linear_shapes, tensor_shapes

_SINGLE, _INDEX = "model.safetensors", "model.safetensors.index.json"
_MAX_INDEX_BYTES = 1 << 26
_FLOATS = ("F32", "F16", "BF16")


class SafetensorsCheckpoint:
    """See `Checkpoint`. Raises BadWeights and UnsupportedWeights when the headers do not fit config.json."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._config = read_hf_config(folder)
        self._group_size = read_awq_group_size(folder)
        files, index = _open_files(folder)
        self._tensors = {name: tensor for file in files for name, tensor in file.tensors.items()}
        _check_index(folder, index, files)
        self._check_tensors()
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
        if name == "lm_head" and self._config.tie_embeddings:
            name = "embed_tokens"
        return self._get(_stored_name(name) + ".weight").float32()

    def coding(self, name: str) -> Coding | None:
        """See `Checkpoint`."""
        if f"{_stored_name(name)}.qweight" not in self._tensors or self._group_size is None:
            return None
        return Coding(4, self._group_size, only=True)

    def linear(self, name: str) -> NDArray[np.float32] | AwqLinear:
        """The linear as float32 [out, in], or its AWQ codes where the file has them. Raises BadWeights."""
        stored = _stored_name(name)
        if f"{stored}.qweight" not in self._tensors or self._group_size is None:
            return self.dense(name)
        scales = cast(NDArray[np.float16], self._get(f"{stored}.scales").map())
        if not np.isfinite(scales).all():
            path = self._get(f"{stored}.scales").path
            raise BadWeights(f"{path.name}: tensor {stored}.scales has values that are infinite or not a number.")
        return AwqLinear(
            qweight=cast(NDArray[np.int32], self._get(f"{stored}.qweight").map()),
            qzeros=cast(NDArray[np.int32], self._get(f"{stored}.qzeros").map()),
            scales=scales,
            group_size=self._group_size,
        )

    def _get(self, stored: str) -> StoredTensor:
        tensor = self._tensors.get(stored)
        if tensor is None:
            raise BadWeights(f"{self._folder.name}: no safetensors file here has the tensor {stored}.")
        return tensor

    def _check_tensors(self) -> None:
        known: set[str] = set()
        quantisable = linear_shapes(self._config)
        for name, shape in tensor_shapes(self._config):
            stored = _stored_name(name)
            if self._group_size and f"{stored}.qweight" in self._tensors and name.split(".", 2)[-1] in quantisable:
                known |= self._check_awq(stored, shape[0], shape[1], self._group_size)
            else:
                check_shape(self._get(f"{stored}.weight"), shape, _FLOATS)
                known.add(f"{stored}.weight")
        for stored in sorted(self._tensors.keys() - known):
            # Files of old transformers keep the rotary frequencies, and a tied head may be stored all the same.
            if not stored.endswith("rotary_emb.inv_freq") and not (
                stored == "lm_head.weight" and self._config.tie_embeddings
            ):
                raise UnsupportedWeights(
                    f"{self._tensors[stored].path.name}: tensor {stored} has no place in config.json's model."
                )

    def _check_awq(self, stored: str, out_features: int, in_features: int, group: int) -> set[str]:
        if in_features % group or out_features % 8:
            raise BadWeights(
                f"{self._folder.name}: {stored} is {out_features} by {in_features}; AWQ groups of {group} do not fit."
            )
        rows, columns = in_features // group, out_features // 8
        check_shape(self._get(f"{stored}.qweight"), (in_features, columns), ("I32",))
        check_shape(self._get(f"{stored}.qzeros"), (rows, columns), ("I32",))
        check_shape(self._get(f"{stored}.scales"), (rows, out_features), ("F16",))
        return {f"{stored}.{part}" for part in ("qweight", "qzeros", "scales")}


def _stored_name(name: str) -> str:
    return name if name == "lm_head" else f"model.{name}"


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
