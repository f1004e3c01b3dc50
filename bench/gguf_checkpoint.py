"""The same shape as a random GGUF file for llama.cpp: Q4_0 or Q4_1 linears, a Q8_0 lm_head; written tensor by tensor.

Q4_1 has a minimum as well as a scale in each block of 32, so it holds AWQ's codes as they are, each zero point as a
minimum: llama.cpp's form of these very weights. Q4_0 has none and must round them again; it is what most people pick.
"""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import gguf
import numpy as np
from numpy.typing import NDArray

from bench.awq_checkpoint import vocabulary
from fireside.weights.checkpoint import ModelConfig
from fireside.weights.gguf_checkpoint import gguf_names
from fireside.weights.shapes import tensor_shapes

QuantType = Literal["Q4_0", "Q4_1", "Q8_0"]

BLOCK = 32
BLOCK_BYTES: dict[QuantType, int] = {"Q4_0": 18, "Q4_1": 20, "Q8_0": 34}


def gguf_tensors(config: ModelConfig, quant: QuantType) -> Iterator[tuple[str, tuple[int, ...], QuantType | None]]:
    """Name, shape and type of each tensor (None is float32), in file order."""
    names = gguf_names(config)
    for name, shape in tensor_shapes(config):
        yield names[name], shape, None if len(shape) == 1 else "Q8_0" if name == "lm_head" else quant


def gguf_bytes(config: ModelConfig, quant: QuantType) -> int:
    """Bytes of the file, about."""
    return sum(
        math.prod(shape) * 4 if kind is None else math.prod(_byte_shape(shape, kind))
        for _, shape, kind in gguf_tensors(config, quant)
    )


def write_gguf(path: Path, config: ModelConfig, quant: QuantType, seed: int = 0) -> None:
    """Write the file; the same seed gives the same bytes."""
    rng = np.random.Generator(np.random.SFC64(seed))
    writer = gguf.GGUFWriter(path, "llama")
    kinds = gguf.LlamaFileType
    _add_metadata(writer, config, kinds.MOSTLY_Q4_0 if quant == "Q4_0" else kinds.MOSTLY_Q4_1)
    for name, shape, kind in gguf_tensors(config, quant):
        if kind is None:
            writer.add_tensor_info(name, shape, np.dtype(np.float32), int(np.prod(shape)) * 4)
        else:
            stored = _byte_shape(shape, kind)
            raw = gguf.GGMLQuantizationType[kind]
            writer.add_tensor_info(name, stored, np.dtype(np.uint8), int(np.prod(stored, dtype=np.int64)), raw)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    for _, shape, kind in gguf_tensors(config, quant):
        writer.write_tensor_data(np.ones(shape, np.float32) if kind is None else _blocks(shape, kind, rng))
    writer.close()


def write_float_gguf(path: Path, config: ModelConfig, seed: int = 0) -> None:
    """Write a file in float32, normal weights; the same seed gives the same bytes. For small models: all at once."""
    rng = np.random.default_rng(seed)
    writer = gguf.GGUFWriter(path, "llama")
    _add_metadata(writer, config, gguf.LlamaFileType.ALL_F32)
    for name, shape, kind in gguf_tensors(config, "Q4_0"):
        values = np.ones(shape) if kind is None else rng.normal(0, shape[-1] ** -0.5, shape)
        writer.add_tensor(name, values.astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _add_metadata(writer: gguf.GGUFWriter, config: ModelConfig, kind: gguf.LlamaFileType) -> None:
    writer.add_context_length(config.context_length)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.heads)
    writer.add_head_count_kv(config.kv_heads)
    writer.add_layer_norm_rms_eps(config.norm_eps)
    writer.add_rope_freq_base(config.rope_theta)
    writer.add_rope_dimension_count(config.head_dim)
    writer.add_vocab_size(config.vocab_size)
    writer.add_file_type(kind)
    tokens = vocabulary(config.vocab_size)
    kinds = gguf.TokenType
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores([0.0] * len(tokens))
    special = [kinds.UNKNOWN, kinds.CONTROL, kinds.CONTROL, *[kinds.BYTE] * 256]
    writer.add_token_types([*special, *[kinds.NORMAL] * (len(tokens) - len(special))])
    writer.add_unk_token_id(0)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)


def _byte_shape(shape: tuple[int, ...], kind: QuantType) -> tuple[int, int]:
    rows, columns = shape
    return rows, columns // BLOCK * BLOCK_BYTES[kind]


def _blocks(shape: tuple[int, ...], kind: QuantType, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Random blocks: a float16 scale, for Q4_1 a float16 minimum, and the codes."""
    rows, columns = _byte_shape(shape, kind)
    blocks = np.frombuffer(bytearray(rng.bytes(rows * columns)), np.uint8).reshape(-1, BLOCK_BYTES[kind])
    largest = 0.0004 if kind == "Q8_0" else 0.005
    scales = (largest * (0.2 + 0.8 * rng.random((len(blocks), 1), np.float32))).astype(np.float16)
    blocks[:, :2] = scales.view(np.uint8)
    if kind == "Q4_1":
        blocks[:, 2:4] = (-8 * scales).view(np.uint8)
    return blocks.reshape(rows, columns)
