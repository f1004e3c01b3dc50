"""Checkpoints quantised by compressed-tensors itself, the library behind llm-compressor: rounding, packing, config."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from compressed_tensors.compressors import BaseCompressor, ModelCompressor
from compressed_tensors.compressors.pack_quantized.helpers import pack_to_int32, unpack_from_int32
from compressed_tensors.quantization import (
    QuantizationConfig,
    QuantizationScheme,
    QuantizationStatus,
    apply_quantization_config,
)
from compressed_tensors.quantization.utils import calculate_qparams, is_module_quantized
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM
from transformers.utils.logging import disable_progress_bar

W4A16: dict[str, Any] = {"num_bits": 4, "type": "int", "symmetric": True, "strategy": "group", "group_size": 128}


def group(*targets: str, **changes: Any) -> dict[str, Any]:
    """A config group: weights as in W4A16, except for the changes."""
    return {"targets": list(targets or ("Linear",)), "weights": W4A16 | changes}


def compress(
    plain: Path,
    target: Path,
    *groups: Mapping[str, Any],
    ignore: Sequence[str] = ("lm_head",),
    dtype: torch.dtype = torch.float32,
    read_back: bool = True,
    **more: Any,
) -> dict[str, NDArray[np.float32]]:
    """Quantise the checkpoint in `plain` to the nearest codes and save it to `target`, as llm-compressor would.

    Args:
        more: of `QuantizationConfig`.

    Returns what the saved weights are worth, as the library decompresses them in float32, by transformers' names.
    """
    disable_progress_bar()
    model = AutoModelForCausalLM.from_pretrained(plain, dtype=dtype)
    named = {f"group_{number}": group for number, group in enumerate(groups)}
    config = QuantizationConfig.model_validate({"config_groups": named, "ignore": list(ignore), **more})
    apply_quantization_config(model, config, show_progress=False)
    schemes: dict[str, QuantizationScheme] = {}
    for name, module in model.named_modules():
        scheme = getattr(module, "quantization_scheme", None)
        if scheme is not None and is_module_quantized(module) and scheme.weights is not None:
            schemes[name] = scheme
            _round(module, scheme)
    compressor = ModelCompressor.from_pretrained_model(model)
    compressor.compress_model(model)
    model.save_pretrained(target)
    compressor.update_config(str(target))
    return _decompressed(target, schemes) if read_back else {}


def order_by_activation(folder: Path, worth: dict[str, NDArray[np.float32]], size: int) -> None:
    """Deal the columns of each linear out to groups of this size at random, as GPTQ does with `actorder` "group".

    The library has stopped writing such files; readers still meet them. `worth` is changed alike.
    """
    stored = load_file(folder / "model.safetensors")
    for name in [name.removesuffix("_packed") for name in stored if name.endswith(".weight_packed")]:
        shape = torch.Size(stored[f"{name}_shape"].tolist())
        places = torch.randperm(shape[1], generator=torch.Generator().manual_seed(shape[1]))
        codes = unpack_from_int32(stored[f"{name}_packed"], 4, shape)
        stored[f"{name}_packed"] = pack_to_int32(codes[:, places].contiguous(), 4)
        stored[f"{name}_g_idx"] = (places // size).to(torch.int32)
        worth[name] = np.ascontiguousarray(worth[name][:, places.numpy()])
    save_file(stored, folder / "model.safetensors", {"format": "pt"})
    edit_config(folder, lambda config: config["config_groups"]["group_0"]["weights"].update(actorder="group"))


def edit_config(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change `quantization_config` of a checkpoint's config.json."""
    config = json.loads((folder / "config.json").read_text())
    change(config["quantization_config"])
    (folder / "config.json").write_text(json.dumps(config))


def _round(module: Any, scheme: QuantizationScheme) -> None:
    """Scales and zero points from the smallest and the largest value of each group."""
    arguments, weight = scheme.weights, module.weight.data
    size = arguments.group_size if arguments.strategy == "group" else weight.shape[1]
    blocks = weight.unflatten(-1, (-1, size))
    scale, zero_point = calculate_qparams(blocks.amin(-1), blocks.amax(-1), arguments)
    module.weight_scale.data, module.weight_zero_point.data = scale, zero_point
    module.quantization_status = QuantizationStatus.FROZEN


def _decompressed(folder: Path, schemes: Mapping[str, QuantizationScheme]) -> dict[str, NDArray[np.float32]]:
    stored = load_file(folder / "model.safetensors")
    worth = {name: values.float().numpy() for name, values in stored.items() if name.endswith(".weight")}
    for name, scheme in schemes.items():
        parts = {
            part.removeprefix(f"{name}."): values for part, values in stored.items() if part.startswith(f"{name}.")
        }
        parts["weight_scale"] = parts["weight_scale"].float()
        values = BaseCompressor.get_value_from_registry(scheme.format).decompress(parts, scheme)["weight"]
        worth[f"{name}.weight"] = values.float().numpy()
    return worth
