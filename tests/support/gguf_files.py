"""GGUF files: a tiny Llama as llama.cpp's converter writes it, and headers byte by byte, sound or not."""

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from gguf import GGMLQuantizationType, GGUFReader, GGUFWriter
from gguf.quants import quantize
from numpy.typing import NDArray

LAYER = {
    "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm", "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
}  # fmt: skip
TOP = {"embed_tokens": "token_embd", "norm": "output_norm", "lm_head": "output"}


def write_gguf(
    path: Path,
    worth: Mapping[str, NDArray[np.float32]],
    heads: int,
    kv_heads: int,
    kind: GGMLQuantizationType = GGMLQuantizationType.F32,
    changes: Mapping[str, Any] | None = None,
    kinds: Mapping[str, GGMLQuantizationType] | None = None,
) -> None:
    """Write the weights (by transformers' names) of a Llama; 2-D tensors as `kind`, the others as float32.

    Args:
        kinds: types of single tensors, by the last part of their transformers' name, such as "q_proj".
        changes: metadata to add, replace or (None) leave out, by full key.
    """
    hidden = worth["model.norm.weight"].size
    layers = 1 + max(int(name.split(".")[2]) for name in worth if name.startswith("model.layers."))
    metadata: dict[str, Any] = {
        "llama.block_count": layers,
        "llama.context_length": 512,
        "llama.embedding_length": hidden,
        "llama.feed_forward_length": len(worth["model.layers.0.mlp.up_proj.weight"]),
        "llama.attention.head_count": heads,
        "llama.attention.head_count_kv": kv_heads,
        "llama.attention.key_length": len(worth["model.layers.0.self_attn.q_proj.weight"]) // heads,
        "llama.attention.layer_norm_rms_epsilon": 1e-5,
        "llama.rope.freq_base": 10000.0,
    }
    metadata |= changes or {}
    writer = GGUFWriter(path, str(metadata.pop("general.architecture", "llama")))
    for key, value in metadata.items():
        if isinstance(value, list):
            writer.add_array(key, value)
        elif isinstance(value, str):
            writer.add_string(key, value)
        elif isinstance(value, float):
            writer.add_float32(key, value)
        elif value is not None:
            writer.add_uint32(key, value)
    for name, values in worth.items():
        short = name.removeprefix("model.").removesuffix(".weight")
        if short.endswith(("q_proj", "k_proj")):
            values = _interleaved(values, heads if short.endswith("q_proj") else kv_heads)
        own = (kinds or {}).get(short.rpartition(".")[2], kind)
        stored = own if values.ndim == 2 else GGMLQuantizationType.F32
        writer.add_tensor(gguf_name(short), quantize(values, stored), raw_dtype=stored)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def split_gguf(whole: Path, **changes: int) -> list[Path]:
    """Put the file's model in its place in two files, as llama-gguf-split writes them: all metadata in the first,
    tensors by turns. `changes` replaces what the files say of being split."""
    paths = [whole.with_name(f"tiny-0000{number}-of-00002.gguf") for number in (1, 2)]
    reader = GGUFReader(whole)
    for number, path in enumerate(paths):
        writer = GGUFWriter(path, "llama")
        if number == 0:
            for key, field in reader.fields.items():
                if not key.startswith(("GGUF.", "general.architecture")):
                    writer.add_key_value(key, field.contents(), field.types[0])
        split = {"split.no": number, "split.count": 2, "split.tensors.count": len(reader.tensors)} | changes
        for key, value in split.items():
            writer.add_uint16(key, value)
        for tensor in reader.tensors[number::2]:
            writer.add_tensor(tensor.name, np.array(tensor.data))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
    whole.unlink()
    return paths


def gguf_name(name: str) -> str:
    """What GGUF calls one of Fireside's tensors."""
    if name in TOP:
        return f"{TOP[name]}.weight"
    _, layer, rest = name.split(".", 2)
    return f"blk.{layer}.{LAYER[rest]}.weight"


def _interleaved(weight: NDArray[np.float32], heads: int) -> NDArray[np.float32]:
    """`LlamaModel.permute` of llama.cpp's convert_hf_to_gguf.py."""
    return np.ascontiguousarray(
        weight.reshape(heads, 2, weight.shape[0] // heads // 2, *weight.shape[1:]).swapaxes(1, 2).reshape(weight.shape)
    )


def text(value: str | bytes) -> bytes:
    """A string as GGUF stores it."""
    data = value.encode() if isinstance(value, str) else value
    return struct.pack("<Q", len(data)) + data


def entry(key: str | bytes, kind: int, value: bytes) -> bytes:
    """A metadata entry of a type by GGUF's number."""
    return text(key) + struct.pack("<I", kind) + value


def tensor(name: str, sizes: tuple[int, ...], kind: int, offset: int, dimensions: int | None = None) -> bytes:
    """A tensor's place; `sizes` in GGUF's order, the shortest stride first."""
    count = len(sizes) if dimensions is None else dimensions
    return text(name) + struct.pack(f"<I{len(sizes)}QIQ", count, *sizes, kind, offset)


def header(
    *,
    magic: bytes = b"GGUF",
    version: int = 3,
    metadata: tuple[bytes, ...] = (),
    tensors: tuple[bytes, ...] = (),
    metadata_count: int | None = None,
    tensor_count: int | None = None,
    data: int = 0,
) -> bytes:
    """A whole file: the header, as many bytes as align it to 32, and `data` zero bytes."""
    counts = (
        len(tensors) if tensor_count is None else tensor_count,
        len(metadata) if metadata_count is None else metadata_count,
    )
    head = magic + struct.pack("<IQQ", version, *counts) + b"".join(metadata) + b"".join(tensors)
    return head + bytes(-len(head) % 32) + bytes(data)
