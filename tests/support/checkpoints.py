"""Tiny random checkpoints on disk, as transformers or AutoAWQ would save them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np
from ml_dtypes import bfloat16
from numpy.typing import NDArray

from support.awq import quantise_awq

Arch = Literal["mistral", "llama"]
Dtype = Literal["f32", "f16", "bf16"]
_NUMPY = {"f32": np.float32, "f16": np.float16, "bf16": bfloat16}
_STORED = {"float32": "F32", "float16": "F16", "bfloat16": "BF16", "int32": "I32", "float64": "F64"}
_TORCH = {"f32": "float32", "f16": "float16", "bf16": "bfloat16"}


def make_tiny_checkpoint(
    folder: Path,
    arch: Arch = "mistral",
    *,
    awq_group: int | None = None,
    vocab: int = 99,
    heads: int = 4,
    kv_heads: int = 2,
    head_dim: int = 32,
    hidden: int = 128,
    inner: int = 256,
    layers: int = 2,
    context: int = 512,
    rope_theta: float = 10000.0,
    sliding_window: int | None = None,
    tie: bool = False,
    dtype: Dtype = "f32",
    shards: int = 1,
    seed: int = 0,
) -> dict[str, NDArray[np.float32]]:
    """Write config.json and safetensors to `folder`; return what the weights are worth, by transformers' names.

    The returned float32 arrays are exactly the stored values (rounded to `dtype`, or dequantised AWQ), so a dense model
    that loads them computes what the checkpoint means. With `awq_group` the layers' linears are AWQ, the rest is f16.
    """
    rng = np.random.default_rng(seed)
    stored: dict[str, NDArray[np.generic]] = {}
    worth: dict[str, NDArray[np.float32]] = {}
    kept = _NUMPY["f16" if awq_group else dtype]

    def dense(name: str, values: NDArray[np.float64]) -> None:
        stored[name] = values.astype(kept)
        worth[name] = stored[name].astype(np.float32)

    def linear(name: str, outputs: int, inputs: int) -> None:
        values = rng.normal(0, 1 / np.sqrt(inputs), (outputs, inputs))
        if awq_group is None:
            dense(f"{name}.weight", values)
            return
        packed = quantise_awq(values.astype(np.float32), awq_group)
        stored.update(
            {f"{name}.qweight": packed.qweight, f"{name}.qzeros": packed.qzeros, f"{name}.scales": packed.scales}
        )
        worth[f"{name}.weight"] = packed.weight

    dense("model.embed_tokens.weight", rng.normal(0, 1, (vocab, hidden)))
    for layer in range(layers):
        prefix = f"model.layers.{layer}"
        for norm in ("input_layernorm", "post_attention_layernorm"):
            dense(f"{prefix}.{norm}.weight", rng.normal(1, 0.1, hidden))
        linear(f"{prefix}.self_attn.q_proj", heads * head_dim, hidden)
        linear(f"{prefix}.self_attn.k_proj", kv_heads * head_dim, hidden)
        linear(f"{prefix}.self_attn.v_proj", kv_heads * head_dim, hidden)
        linear(f"{prefix}.self_attn.o_proj", hidden, heads * head_dim)
        linear(f"{prefix}.mlp.gate_proj", inner, hidden)
        linear(f"{prefix}.mlp.up_proj", inner, hidden)
        linear(f"{prefix}.mlp.down_proj", hidden, inner)
    dense("model.norm.weight", rng.normal(1, 0.1, hidden))
    if not tie:
        dense("lm_head.weight", rng.normal(0, 2 / np.sqrt(hidden), (vocab, hidden)))

    config: dict[str, object] = {
        "architectures": ["MistralForCausalLM" if arch == "mistral" else "LlamaForCausalLM"],
        "model_type": arch,
        "vocab_size": vocab,
        "hidden_size": hidden,
        "intermediate_size": inner,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads,
        "head_dim": head_dim,
        "max_position_embeddings": context,
        "rope_theta": rope_theta,
        "rms_norm_eps": 1e-5,
        "hidden_act": "silu",
        "tie_word_embeddings": tie,
        "torch_dtype": "float16" if awq_group else _TORCH[dtype],
    }
    if arch == "mistral":
        config["sliding_window"] = sliding_window
    if awq_group:
        config["quantization_config"] = {
            "bits": 4, "group_size": awq_group, "quant_method": "awq", "version": "gemm", "zero_point": True,
        }  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    _save(folder, stored, shards)
    return worth


def save_safetensors(path: Path, tensors: Mapping[str, NDArray[np.generic]]) -> None:
    """Like `safetensors.numpy.save_file`, with bfloat16 (of ml_dtypes) too."""
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    data = b""
    for name, array in tensors.items():
        end = len(data) + array.nbytes
        header[name] = {"dtype": _STORED[array.dtype.name], "shape": array.shape, "data_offsets": [len(data), end]}
        data += array.tobytes()
    path.write_bytes(safetensors_bytes(header, data))


def safetensors_bytes(header: object, data: bytes) -> bytes:
    """A file's bytes from its header, sound or not, and its data."""
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def _save(folder: Path, tensors: dict[str, NDArray[np.generic]], shards: int) -> None:
    if shards == 1:
        save_safetensors(folder / "model.safetensors", tensors)
        return
    names = list(tensors)
    places: dict[str, str] = {}
    for shard in range(shards):
        file = f"model-{shard + 1:05}-of-{shards:05}.safetensors"
        chosen = names[shard::shards]
        save_safetensors(folder / file, {name: tensors[name] for name in chosen})
        places |= dict.fromkeys(chosen, file)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": places}))
