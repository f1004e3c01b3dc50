"""A GGUF file as a `Checkpoint`."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from fireside.errors import BadWeights, UnsupportedWeights
from fireside.weights.block import KEY_NORM, QUERY_NORM
from fireside.weights.checkpoint import BlockLinear, Coding, ModelConfig
from fireside.weights.dequantise import BLOCK, GgmlType, exact_codes
from fireside.weights.fingerprint import fingerprint_files
from fireside.weights.gguf import GgufFile, read_gguf
from fireside.weights.gguf_config import ROPE_FREQS, read_gguf_config
from fireside.weights.gguf_names import PART, all_parts
from fireside.weights.shapes import tensor_shapes

_MAX_PARTS = 1000


def read_parts(path: Path) -> list[GgufFile]:
    """The headers of a model's files, the one with the metadata first.

    Args:
        path: the file, or the first of its parts.

    Raises BadWeights when a part is missing or unsound.
    """
    first = read_gguf(path)
    count = first.metadata.get("split.count", 0)
    if isinstance(count, list) or not isinstance(count, int):
        raise BadWeights(f"{path.name}: split.count is {str(count)[:100]}, not a whole number.")
    if count <= 1:
        return [first]
    name = PART.fullmatch(path.name)
    if name is None or int(name[3]) != count or count > _MAX_PARTS:
        raise BadWeights(
            f"{path.name}: one of {count} parts, and not named so. Name the files as llama-gguf-split does "
            f"(…-00001-of-{count:05}.gguf), or join them: llama-gguf-split --merge."
        )
    files: list[GgufFile] = []
    for number, part in enumerate(all_parts(path), 1):
        if not part.is_file():
            raise BadWeights(f"{part.name}: this part of {count} is missing. Fetch the model again.")
        file = first if number == 1 else read_gguf(part)
        if file.metadata.get("split.no") != number - 1 or file.metadata.get("split.count") != count:
            raise BadWeights(f"{part.name}: not part {number} of {count}, as its name says. Fetch the model again.")
        files.append(file)
    return files


_TOP = {"embed_tokens": "token_embd", "norm": "output_norm", "lm_head": "output"}
_LINEARS = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
_Scalar = TypeVar("_Scalar", bound=np.generic)
_LAYER = re.compile(r"layers\.(\d+)\.(.+)")


class GgufCheckpoint:
    """See `Checkpoint`. Read from one GGUF file, or from all parts of a split one, of which `path` is the first.

    Quantised linears come as codes where integers hold their very values, else as float32.
    """

    def __init__(self, path: Path) -> None:
        files = read_parts(path)
        self._file = files[0]
        self._places = {name: file for file in files for name in file.tensors}
        if len(self._places) != sum(len(file.tensors) for file in files):
            raise BadWeights(
                f"{path.name}: two parts of the split file have a tensor of the same name. Fetch it again."
            )
        self._architecture, self._config = read_gguf_config(self._file, self._places)
        self._names = gguf_names(self._config)
        _check_tensors(self._file, self._places, self._config, self._names)
        self._fingerprint = fingerprint_files({file.path: file.header_size for file in files})

    @property
    def config(self) -> ModelConfig:
        return self._config

    @property
    def fingerprint(self) -> str:
        return self._fingerprint

    def dense(self, name: str) -> NDArray[np.float32]:
        """The tensor as float32. Raises BadWeights."""
        stored = self._stored(name)
        return self._in_order(name, self._places[stored].read(stored))

    def coding(self, name: str) -> Coding | None:
        """See `Checkpoint`."""
        kind = self._kind(name)
        return Coding(kind.exact_bits or 8, BLOCK) if kind.is_quantised else None

    def linear(self, name: str) -> NDArray[np.float32] | BlockLinear:
        """The linear [out, in] as codes where they are exact, else as float32. Raises BadWeights."""
        kind = self._kind(name)
        if kind.exact_bits is None:
            return self.dense(name)
        stored = self._stored(name)
        rows = self._in_order(name, self._places[stored].rows(stored))
        try:
            codes, scales = exact_codes(rows, kind)
        except ValueError as error:
            raise BadWeights(f"{self._file.path.name}: tensor {stored} has {error}.") from error
        middle = 1 << (kind.exact_bits - 1)
        return BlockLinear(kind.exact_bits, BLOCK, (codes + np.int16(middle)).astype(np.uint8), scales, None)

    def _kind(self, name: str) -> GgmlType:
        stored = self._stored(name)
        return self._places[stored].tensors[stored].kind

    def _stored(self, name: str) -> str:
        return self._names["embed_tokens" if name == "lm_head" and self._config.tie_embeddings else name]

    def _in_order(self, name: str, rows: NDArray[_Scalar]) -> NDArray[_Scalar]:
        """Rows, of a weight or a bias, as transformers has them."""
        linear = name.removesuffix(".bias")
        if self._architecture.gguf_pairs and linear.endswith("self_attn.q_proj"):
            return _unpermute(rows, self._config.heads)
        if self._architecture.gguf_pairs and linear.endswith("self_attn.k_proj"):
            return _unpermute(rows, self._config.kv_heads)
        return rows


def gguf_names(config: ModelConfig) -> dict[str, str]:
    """What llama.cpp's converter calls each tensor, by Fireside's name."""
    block = config.block
    by_place = {
        block.before_attention: "attn_norm",
        block.after_attention: "post_attention_norm",
        block.before_mlp: "ffn_norm",
        block.after_mlp: "post_ffw_norm",
    }
    known = by_place | _LINEARS | {QUERY_NORM: "attn_q_norm", KEY_NORM: "attn_k_norm"}
    names = {}
    for name, _ in tensor_shapes(config):
        plain = name.removesuffix(".bias")
        part = "weight" if plain == name else "bias"
        layer = _LAYER.fullmatch(plain)
        names[name] = f"blk.{layer[1]}.{known[layer[2]]}.{part}" if layer else f"{_TOP[plain]}.{part}"
    return names


def _unpermute(rows: NDArray[_Scalar], heads: int) -> NDArray[_Scalar]:
    """Rows back in the order of rotary halves; llama.cpp's converter interleaves the two halves of each head."""
    return rows.reshape(heads, len(rows) // heads // 2, 2, *rows.shape[1:]).swapaxes(1, 2).reshape(rows.shape)


def _check_tensors(
    file: GgufFile, places: Mapping[str, GgufFile], config: ModelConfig, names: Mapping[str, str]
) -> None:
    expected = {names[name]: shape for name, shape in tensor_shapes(config)}
    for name, shape in expected.items():
        if name not in places:
            raise BadWeights(f"{file.path.name}: has no tensor {name}.")
        found = places[name].tensors[name].shape
        if found != shape:
            raise BadWeights(
                f"{places[name].path.name}: tensor {name} has shape {list(found)}, not {list(shape)} as its "
                "metadata says."
            )
    if unknown := sorted(places.keys() - expected.keys() - {ROPE_FREQS}):
        raise UnsupportedWeights(f"{file.path.name}: tensor {unknown[0]} is not part of the models that Fireside runs.")
