"""A GGUF file of the architecture "llama" as a `Checkpoint`."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from fireside.errors import BadWeights, UnsupportedWeights
from fireside.weights.checkpoint import BlockLinear, Coding, ModelConfig
from fireside.weights.dequantise import BLOCK, GgmlType, exact_codes
from fireside.weights.fingerprint import fingerprint_files
from fireside.weights.gguf import GgufFile
from fireside.weights.gguf_parts import read_parts
from fireside.weights.shapes import check_config, tensor_shapes

_NAMES = {
    "embed_tokens": "token_embd.weight",
    "norm": "output_norm.weight",
    "lm_head": "output.weight",
    "input_layernorm": "attn_norm.weight",
    "post_attention_layernorm": "ffn_norm.weight",
    "self_attn.q_proj": "attn_q.weight",
    "self_attn.k_proj": "attn_k.weight",
    "self_attn.v_proj": "attn_v.weight",
    "self_attn.o_proj": "attn_output.weight",
    "mlp.gate_proj": "ffn_gate.weight",
    "mlp.up_proj": "ffn_up.weight",
    "mlp.down_proj": "ffn_down.weight",
}
_KEYS = {
    "vocab_size": "llama.vocab_size",
    "hidden_size": "llama.embedding_length",
    "intermediate_size": "llama.feed_forward_length",
    "layers": "llama.block_count",
    "heads": "llama.attention.head_count",
    "kv_heads": "llama.attention.head_count_kv",
    "head_dim": "llama.attention.key_length",
    "context_length": "llama.context_length",
    "rope_theta": "llama.rope.freq_base",
    "norm_eps": "llama.attention.layer_norm_rms_epsilon",
    "sliding_window": "llama.attention.sliding_window",
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
        self._config = _read_config(self._file, self._places)
        _check_tensors(self._file, self._places, self._config)
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
        return _gguf_name("embed_tokens" if name == "lm_head" and self._config.tie_embeddings else name)

    def _in_order(self, name: str, rows: NDArray[_Scalar]) -> NDArray[_Scalar]:
        """Rows as transformers has them."""
        if name.endswith("self_attn.q_proj"):
            return _unpermute(rows, self._config.heads)
        if name.endswith("self_attn.k_proj"):
            return _unpermute(rows, self._config.kv_heads)
        return rows


def _gguf_name(name: str) -> str:
    if layer := _LAYER.fullmatch(name):
        return f"blk.{layer[1]}.{_NAMES[layer[2]]}"
    return _NAMES[name]


def _unpermute(weight: NDArray[_Scalar], heads: int) -> NDArray[_Scalar]:
    """Rows back in the order of rotary halves; llama.cpp's converter interleaves the two halves of each head."""
    rows, columns = weight.shape
    return weight.reshape(heads, rows // heads // 2, 2, columns).swapaxes(1, 2).reshape(rows, columns)


def _read_config(file: GgufFile, places: Mapping[str, GgufFile]) -> ModelConfig:
    architecture = _single(file, "general.architecture", None)
    if architecture != "llama":
        raise UnsupportedWeights(
            f"{file.path.name}: the architecture is {architecture!r}; Fireside runs 'llama' from GGUF files."
        )
    if _single(file, "llama.rope.scaling.type", "none") != "none" or "rope_freqs.weight" in places:
        raise UnsupportedWeights(
            f"{file.path.name}: uses rotary scaling; Fireside runs the default rotary embedding only."
        )
    if _single(file, "llama.expert_count", 0) != 0:
        raise UnsupportedWeights(f"{file.path.name}: a mixture of experts, which Fireside does not run.")
    hidden, heads = _integer(file, "hidden_size"), _integer(file, "heads")
    if heads < 1:
        raise BadWeights(f"{file.path.name}: {_KEYS['heads']} is {heads}, not positive.")
    head_dim = _integer(file, "head_dim", hidden // heads)
    rotated = _single(file, "llama.rope.dimension_count", head_dim)
    values = _single(file, "llama.attention.value_length", head_dim)
    if rotated != head_dim or values != head_dim:
        raise UnsupportedWeights(
            f"{file.path.name}: heads of {head_dim} with {rotated} rotary dimensions and values of {values}; "
            "Fireside runs heads that are rotated whole."
        )
    embedding = places["token_embd.weight"].tensors["token_embd.weight"] if "token_embd.weight" in places else None
    config = ModelConfig(
        vocab_size=_integer(file, "vocab_size", embedding.shape[0] if embedding else None),
        hidden_size=hidden,
        intermediate_size=_integer(file, "intermediate_size"),
        layers=_integer(file, "layers"),
        heads=heads,
        kv_heads=_integer(file, "kv_heads", heads),
        head_dim=head_dim,
        context_length=_integer(file, "context_length"),
        rope_theta=_number(file, "rope_theta", 10000.0),
        norm_eps=_number(file, "norm_eps"),
        sliding_window=_integer(file, "sliding_window", 0) or None,
        tie_embeddings="output.weight" not in places,
    )
    check_config(config, file.path.name, _KEYS)
    return config


def _check_tensors(file: GgufFile, places: Mapping[str, GgufFile], config: ModelConfig) -> None:
    expected = {_gguf_name(name): shape for name, shape in tensor_shapes(config)}
    for name, shape in expected.items():
        if name not in places:
            raise BadWeights(f"{file.path.name}: has no tensor {name}.")
        found = places[name].tensors[name].shape
        if found != shape:
            raise BadWeights(
                f"{places[name].path.name}: tensor {name} has shape {list(found)}, not {list(shape)} as its "
                "metadata says."
            )
    if unknown := sorted(places.keys() - expected.keys()):
        raise UnsupportedWeights(f"{file.path.name}: tensor {unknown[0]} is not part of the models that Fireside runs.")


def _single(file: GgufFile, key: str, default: object) -> object:
    value = file.metadata.get(key, default)
    if isinstance(value, list | np.ndarray):
        raise BadWeights(f"{file.path.name}: {key} is a list, not one value.")
    return value


def _integer(file: GgufFile, field: str, default: int | None = None) -> int:
    value = file.metadata.get(_KEYS[field], default)
    if not isinstance(value, int) or isinstance(value, bool):
        raise BadWeights(
            f"{file.path.name}: {_KEYS[field]} is {'missing' if value is None else 'not one whole number'}."
        )
    return value


def _number(file: GgufFile, field: str, default: float | None = None) -> float:
    value = file.metadata.get(_KEYS[field], default)
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise BadWeights(f"{file.path.name}: {_KEYS[field]} is {'missing' if value is None else 'not one number'}.")
    return float(value)
