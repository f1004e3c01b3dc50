"""A random AWQ checkpoint (GEMM layout, 4 bits, zero points) as a safetensors folder, written a few rows at a time.

The values are random, but of the size that real ones have, so that activations stay finite. Speed depends on the shape
only.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench.model import GROUP
from bench.sentencepiece import tokenizer_json
from fireside.weights.checkpoint import ModelConfig
from fireside.weights.shapes import linear_shapes, tensor_shapes

_ITEM_BYTES = {"I32": 4, "F16": 2}
_CHUNK_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class Stored:
    """One tensor of the file: name, safetensors dtype and shape."""

    name: str
    dtype: str
    shape: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        return _ITEM_BYTES[self.dtype] * int(np.prod(self.shape, dtype=np.int64))


def stored_tensors(config: ModelConfig, group: int = GROUP) -> list[Stored]:
    """What the file holds, in file order: linears of layers as AWQ codes, all else as float16."""
    linears = linear_shapes(config)
    stored = []
    for name, shape in tensor_shapes(config):
        place = name if name == "lm_head" else f"model.{name}"
        if name.split(".", 2)[-1] not in linears:
            stored.append(Stored(f"{place}.weight", "F16", shape))
            continue
        outputs, inputs = shape
        stored += [
            Stored(f"{place}.qweight", "I32", (inputs, outputs // 8)),
            Stored(f"{place}.qzeros", "I32", (inputs // group, outputs // 8)),
            Stored(f"{place}.scales", "F16", (inputs // group, outputs)),
        ]
    return stored


def checkpoint_bytes(config: ModelConfig, group: int = GROUP) -> int:
    """Bytes of the folder, about."""
    return sum(tensor.nbytes for tensor in stored_tensors(config, group))


def write_awq(folder: Path, config: ModelConfig, group: int = GROUP, seed: int = 0) -> None:
    """Write config.json, tokenizer.json and model.safetensors into a new folder; the same seed gives the same bytes."""
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(hf_config(config, group), indent=2))
    tokens = vocabulary(config.vocab_size)
    ids = {token: index for index, token in enumerate(tokens)}
    tokenizer = tokenizer_json(ids, special={token: ids[token] for token in tokens[:3]}, bos=False)
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    rng = np.random.Generator(np.random.SFC64(seed))
    tensors = stored_tensors(config, group)
    with (folder / "model.safetensors").open("wb") as file:
        file.write(_header(tensors))
        for tensor in tensors:
            for piece in _values(tensor, rng):
                file.write(piece)


def hf_config(config: ModelConfig, group: int) -> dict[str, Any]:
    """The config.json of such a checkpoint, as transformers and AutoAWQ write it."""
    sizes = asdict(config)
    return {
        "architectures": ["MistralForCausalLM"],
        "model_type": "mistral",
        "torch_dtype": "float16",
        "hidden_act": "silu",
        "bos_token_id": 1,
        "eos_token_id": 2,
        "num_hidden_layers": sizes["layers"],
        "num_attention_heads": sizes["heads"],
        "num_key_value_heads": sizes["kv_heads"],
        "max_position_embeddings": sizes["context_length"],
        "rms_norm_eps": sizes["norm_eps"],
        "tie_word_embeddings": sizes["tie_embeddings"],
        **{key: sizes[key] for key in ("vocab_size", "hidden_size", "intermediate_size", "head_dim")},
        **{key: sizes[key] for key in ("rope_theta", "sliding_window")},
        "quantization_config": {
            "quant_method": "awq",
            "version": "gemm",
            "bits": 4,
            "group_size": group,
            "zero_point": True,
        },
    }


def vocabulary(size: int) -> list[str]:
    """Tokens of a byte-fallback vocabulary of this size: every text has ids, most tokens are never met."""
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁"]
    if size < len(tokens):
        raise ValueError(f"a vocabulary of {size} has no room for the {len(tokens)} tokens that every text needs")
    return tokens + [f"▁w{index}" for index in range(size - len(tokens))]


def _header(tensors: list[Stored]) -> bytes:
    entries: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    offset = 0
    for tensor in tensors:
        entries[tensor.name] = {
            "dtype": tensor.dtype,
            "shape": list(tensor.shape),
            "data_offsets": [offset, offset + tensor.nbytes],
        }
        offset += tensor.nbytes
    text = json.dumps(entries).encode()
    text = text.ljust(-(-len(text) // 8) * 8)
    return len(text).to_bytes(8, "little") + text


def _values(tensor: Stored, rng: np.random.Generator) -> Iterator[bytes]:
    """The tensor's bytes, in pieces of whole rows."""
    row_bytes = tensor.nbytes // tensor.shape[0]
    step = max(1, _CHUNK_BYTES // row_bytes)
    for start in range(0, tensor.shape[0], step):
        rows = min(step, tensor.shape[0] - start)
        shape = (rows, *tensor.shape[1:])
        if tensor.name.endswith(".qweight"):
            yield rng.bytes(rows * row_bytes)
        elif tensor.name.endswith(".qzeros"):
            # 7 or 8 in each nibble: as in real checkpoints, weights lie about evenly around zero.
            noise = np.frombuffer(rng.bytes(rows * row_bytes), np.uint32)
            yield ((noise & 0x11111111) + 0x77777777).tobytes()
        elif tensor.name.endswith(".scales"):
            yield (rng.random(shape, np.float32) * 0.004 + 0.001).astype(np.float16).tobytes()
        elif len(shape) == 1:
            yield np.ones(shape, np.float16).tobytes()
        else:
            yield (rng.random(shape, np.float32) * 0.06 - 0.03).astype(np.float16).tobytes()
