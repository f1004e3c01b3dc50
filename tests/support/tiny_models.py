"""Tiny random checkpoints of every architecture, made and saved by transformers, and GGUF files of them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gguf import MODEL_ARCH_NAMES, GGMLQuantizationType, GGUFWriter, get_tensor_name_map
from gguf.quants import quantize
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

from support.awq import quantise_awq

Weights = dict[str, NDArray[np.float32]]

SIZES: dict[str, Any] = {
    "vocab_size": 301,
    "hidden_size": 128,
    "intermediate_size": 256,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 64,
    "max_position_embeddings": 512,
    "pad_token_id": None,
    "tie_word_embeddings": False,
}


def make_tiny_model(folder: Path, model_type: str, **changes: Any) -> Weights:
    """Save a random model of transformers' `model_type`; returns its float32 weights, by transformers' names.

    Gains, biases and embeddings are far from what they are initialised to, so that none can be forgotten.
    """
    config = AutoConfig.for_model(model_type, **(SIZES | changes))
    torch.manual_seed(7)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim == 1:
                parameter += torch.randn_like(parameter) * (0.5 if name.endswith("bias") else 0.2)
            else:
                parameter.normal_(std=parameter.shape[1] ** -0.5)
    model.save_pretrained(folder)
    weights: Weights = load_file(folder / "model.safetensors")
    return weights


def put_into_larger_model(folder: Path, target: Path) -> PreTrainedModel:
    """Save the Gemma 3 in `folder` as the text model of one for images, with a tiny vision tower; returns that."""
    vision = {
        "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2,
        "image_size": 28, "patch_size": 14,
    }  # fmt: skip
    text = AutoModelForCausalLM.from_pretrained(folder)
    config = AutoConfig.for_model("gemma3", text_config=text.config.to_dict(), vision_config=vision)
    model: Any = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    model.model.language_model.load_state_dict(text.model.state_dict())
    model.save_pretrained(target)
    larger: PreTrainedModel = model
    return larger


def quantise_folder_awq(folder: Path, group: int) -> Weights:
    """Turn a plain checkpoint's linears into AWQ's, in place; returns what all its weights are worth then."""
    stored: dict[str, NDArray[Any]] = load_file(folder / "model.safetensors")
    worth = dict(stored)
    for name in [name for name in stored if name.endswith("_proj.weight")]:
        made, prefix = quantise_awq(stored.pop(name), group), name.removesuffix(".weight")
        for part in ("qweight", "qzeros", "scales"):
            stored[f"{prefix}.{part}"] = np.ascontiguousarray(getattr(made, part))
        worth[name] = made.weight
    save_file(stored, folder / "model.safetensors")
    config = json.loads((folder / "config.json").read_text())
    config["quantization_config"] = {
        "quant_method": "awq", "version": "gemm", "bits": 4, "zero_point": True, "group_size": group,
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config))
    return worth


def convert_to_gguf(
    folder: Path, worth: Weights, path: Path, kind: GGMLQuantizationType = GGMLQuantizationType.F32
) -> None:
    """Write the weights as llama.cpp's convert_hf_to_gguf.py does: names by its own table, metadata by its rules."""
    config = AutoConfig.from_pretrained(folder)
    prefix = {"mistral": "llama", "gemma3_text": "gemma3"}.get(config.model_type, config.model_type)
    architecture = next(code for code, name in MODEL_ARCH_NAMES.items() if name == prefix)
    writer = GGUFWriter(path, prefix)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_key_length(
        config.head_dim if hasattr(config, "head_dim") else config.hidden_size // config.num_attention_heads
    )
    if prefix == "gemma3":
        writer.add_sliding_window(config.sliding_window)
    rope = config.rope_parameters.get("full_attention", config.rope_parameters)
    writer.add_rope_freq_base(rope["rope_theta"])
    if rope["rope_type"] == "linear":
        writer.add_string(f"{prefix}.rope.scaling.type", "linear")
        writer.add_rope_scaling_factor(rope["factor"])
    names = get_tensor_name_map(architecture, config.num_hidden_layers)
    for name, values in worth.items():
        if prefix == "llama" and (".q_proj." in name or ".k_proj." in name):
            values = _pairs(values, config.num_attention_heads if ".q_proj." in name else config.num_key_value_heads)
        if prefix.startswith("gemma") and name.endswith("norm.weight"):
            values = values + 1
        stored = kind if values.ndim == 2 else GGMLQuantizationType.F32
        gguf_name = names.get_name(name, (".weight", ".bias"))
        assert gguf_name is not None
        writer.add_tensor(gguf_name, quantize(values, stored), raw_dtype=stored)
    if rope["rope_type"] == "llama3":
        writer.add_tensor("rope_freqs.weight", _llama3_factors(config))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _pairs(values: NDArray[np.float32], heads: int) -> NDArray[np.float32]:
    """`LlamaModel.permute`."""
    parts = values.reshape(heads, 2, len(values) // heads // 2, *values.shape[1:]).swapaxes(1, 2)
    return np.ascontiguousarray(parts.reshape(values.shape))


def _llama3_factors(config: Any) -> NDArray[np.float32]:
    """`LlamaModel.generate_extra_tensors`."""
    rope, dimensions = config.rope_parameters, config.head_dim
    frequencies = 1.0 / (rope["rope_theta"] ** (np.arange(0, dimensions, 2) / dimensions))
    low = rope["original_max_position_embeddings"] / rope["low_freq_factor"]
    high = rope["original_max_position_embeddings"] / rope["high_freq_factor"]
    factors = []
    for wavelength in 2 * np.pi / frequencies:
        if wavelength < high:
            factors.append(1.0)
        elif wavelength > low:
            factors.append(rope["factor"])
        else:
            smooth = (rope["original_max_position_embeddings"] / wavelength - rope["low_freq_factor"]) / (
                rope["high_freq_factor"] - rope["low_freq_factor"]
            )
            factors.append(1 / ((1 - smooth) / rope["factor"] + smooth))
    return np.array(factors, np.float32)
