"""Random LoRA adapters for the benchmark's model, on all seven linears: as PEFT saves them and as llama.cpp reads them.

The values are small and random: speed depends on rank and shape only.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import gguf
import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

from fireside.weights.checkpoint import ModelConfig
from fireside.weights.gguf_checkpoint import gguf_names
from fireside.weights.shapes import linear_shapes

Half = NDArray[np.float16]


def adapter_bytes(config: ModelConfig, rank: int) -> int:
    """Bytes of one adapter's tensors, which are float16."""
    return 2 * rank * config.layers * sum(sum(shape) for shape in linear_shapes(config).values())


def write_adapter(folder: Path, config: ModelConfig, rank: int, seed: int) -> None:
    """`adapter_config.json` and `adapter_model.safetensors` in a new folder."""
    folder.mkdir(parents=True)
    tensors = {}
    for layer, module, a, b in _modules(config, rank, seed):
        place = f"base_model.model.model.layers.{layer}.{module}"
        tensors[f"{place}.lora_A.weight"] = a
        tensors[f"{place}.lora_B.weight"] = b
    save_file(tensors, folder / "adapter_model.safetensors")
    targets = [name.rpartition(".")[2] for name in linear_shapes(config)]
    described = {"peft_type": "LORA", "r": rank, "lora_alpha": rank, "target_modules": targets, "bias": "none"}
    (folder / "adapter_config.json").write_text(json.dumps(described))


def write_gguf_adapter(path: Path, config: ModelConfig, rank: int, seed: int) -> None:
    """The same adapter as one GGUF file."""
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_type(gguf.GGUFType.ADAPTER)
    writer.add_string(gguf.Keys.Adapter.TYPE, "lora")
    writer.add_float32(gguf.Keys.Adapter.LORA_ALPHA, float(rank))
    names = gguf_names(config)
    for layer, module, a, b in _modules(config, rank, seed):
        place = names[f"layers.{layer}.{module}"]
        writer.add_tensor(f"{place}.lora_a", a)
        writer.add_tensor(f"{place}.lora_b", b)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _modules(config: ModelConfig, rank: int, seed: int) -> Iterator[tuple[int, str, Half, Half]]:
    """Layer, linear, A [rank, in] and B [out, rank] of each module."""
    rng = np.random.default_rng(seed)
    for layer in range(config.layers):
        for module, (outputs, inputs) in linear_shapes(config).items():
            a, b = (0.01 * rng.standard_normal(shape, np.float32) for shape in ((rank, inputs), (outputs, rank)))
            yield layer, module, a.astype(np.float16), b.astype(np.float16)
