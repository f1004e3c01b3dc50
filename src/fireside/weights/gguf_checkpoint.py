"""A GGUF file of the architecture "llama" as a `Checkpoint`."""

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fireside.errors import BadWeights, UnsupportedWeights
from fireside.weights.checkpoint import ModelConfig
from fireside.weights.fingerprint import fingerprint_files
from fireside.weights.gguf import GgufFile, read_gguf
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
_LAYER = re.compile(r"layers\.(\d+)\.(.+)")


class GgufCheckpoint:
    """See `Checkpoint`. Every tensor is dequantised to float32 when asked for."""

    def __init__(self, path: Path) -> None:
        self._file = read_gguf(path)
        self._config = _read_config(self._file)
        _check_tensors(self._file, self._config)
        self._fingerprint = fingerprint_files({path: self._file.header_size})

    @property
    def config(self) -> ModelConfig:
        return self._config

    @property
    def fingerprint(self) -> str:
        return self._fingerprint

    def dense(self, name: str) -> NDArray[np.float32]:
        """The tensor as float32. Raises BadWeights."""
        if name == "lm_head" and self._config.tie_embeddings:
            name = "embed_tokens"
        values = self._file.read(_gguf_name(name))
        if name.endswith("self_attn.q_proj"):
            return _unpermute(values, self._config.heads)
        if name.endswith("self_attn.k_proj"):
            return _unpermute(values, self._config.kv_heads)
        return values

    def linear(self, name: str) -> NDArray[np.float32]:
        """The linear [out, in] as float32. Raises BadWeights."""
        return self.dense(name)


def _gguf_name(name: str) -> str:
    if layer := _LAYER.fullmatch(name):
        return f"blk.{layer[1]}.{_NAMES[layer[2]]}"
    return _NAMES[name]


def _unpermute(weight: NDArray[np.float32], heads: int) -> NDArray[np.float32]:
    """Rows back in the order of rotary halves; llama.cpp's converter interleaves the two halves of each head."""
    rows, columns = weight.shape
    return weight.reshape(heads, rows // heads // 2, 2, columns).swapaxes(1, 2).reshape(rows, columns)


def _read_config(file: GgufFile) -> ModelConfig:
    architecture = _single(file, "general.architecture", None)
    if architecture != "llama":
        raise UnsupportedWeights(
            f"{file.path}: the architecture is {architecture!r}; Fireside runs 'llama' from GGUF files."
        )
    if _single(file, "split.count", 1) not in (0, 1):
        raise UnsupportedWeights(
            f"{file.path}: one part of a split GGUF file; join the parts with llama-gguf-split --merge."
        )
    if _single(file, "llama.rope.scaling.type", "none") != "none" or "rope_freqs.weight" in file.tensors:
        raise UnsupportedWeights(f"{file.path}: uses rotary scaling; Fireside runs the default rotary embedding only.")
    if _single(file, "llama.expert_count", 0) != 0:
        raise UnsupportedWeights(f"{file.path}: a mixture of experts, which Fireside does not run.")
    hidden, heads = _integer(file, "hidden_size"), _integer(file, "heads")
    if heads < 1:
        raise BadWeights(f"{file.path}: {_KEYS['heads']} is {heads}, not positive.")
    head_dim = _integer(file, "head_dim", hidden // heads)
    rotated = _single(file, "llama.rope.dimension_count", head_dim)
    values = _single(file, "llama.attention.value_length", head_dim)
    if rotated != head_dim or values != head_dim:
        raise UnsupportedWeights(
            f"{file.path}: heads of {head_dim} with {rotated} rotary dimensions and values of {values}; "
            "Fireside runs heads that are rotated whole."
        )
    embedding = file.tensors.get("token_embd.weight")
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
        tie_embeddings="output.weight" not in file.tensors,
    )
    check_config(config, str(file.path), _KEYS)
    return config


def _check_tensors(file: GgufFile, config: ModelConfig) -> None:
    expected = {_gguf_name(name): shape for name, shape in tensor_shapes(config)}
    for name, shape in expected.items():
        tensor = file.tensors.get(name)
        if tensor is None:
            raise BadWeights(f"{file.path}: has no tensor {name}.")
        if tensor.shape != shape:
            raise BadWeights(
                f"{file.path}: tensor {name} has shape {list(tensor.shape)}, not {list(shape)} as its metadata says."
            )
    if unknown := sorted(file.tensors.keys() - expected.keys()):
        raise UnsupportedWeights(f"{file.path}: tensor {unknown[0]} is not part of the models that Fireside runs.")


def _single(file: GgufFile, key: str, default: object) -> object:
    value = file.metadata.get(key, default)
    if isinstance(value, list | np.ndarray):
        raise BadWeights(f"{file.path}: {key} is a list, not one value.")
    return value


def _integer(file: GgufFile, field: str, default: int | None = None) -> int:
    value = file.metadata.get(_KEYS[field], default)
    if not isinstance(value, int) or isinstance(value, bool):
        raise BadWeights(f"{file.path}: {_KEYS[field]} is {'missing' if value is None else 'not one whole number'}.")
    return value


def _number(file: GgufFile, field: str, default: float | None = None) -> float:
    value = file.metadata.get(_KEYS[field], default)
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise BadWeights(f"{file.path}: {_KEYS[field]} is {'missing' if value is None else 'not one number'}.")
    return float(value)
