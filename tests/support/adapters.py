"""Tiny LoRA adapters on disk, as PEFT saves them, sound or not."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from support.checkpoints import save_safetensors

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
SIZES = {
    "q_proj": (128, 128), "k_proj": (64, 128), "v_proj": (64, 128), "o_proj": (128, 128),
    "gate_proj": (256, 128), "up_proj": (256, 128), "down_proj": (128, 256),
}  # fmt: skip
"""[out, in] of each linear of `make_tiny_checkpoint`."""


def adapter_config(**changes: object) -> dict[str, object]:
    """What PEFT 0.18 writes for r=4, and what Cloudflare's recipe adds. A change to None takes the key away."""
    config: dict[str, object] = {
        "alpha_pattern": {}, "auto_mapping": None, "base_model_name_or_path": "base", "bias": "none",
        "fan_in_fan_out": False, "inference_mode": True, "init_lora_weights": True, "layer_replication": None,
        "layers_pattern": None, "layers_to_transform": None, "loftq_config": {}, "lora_alpha": 8, "lora_bias": False,
        "lora_dropout": 0.05, "megatron_config": None, "megatron_core": "megatron.core", "modules_to_save": None,
        "peft_type": "LORA", "peft_version": "0.18.0", "r": 4, "rank_pattern": {}, "revision": None,
        "target_modules": ["q_proj", "v_proj"], "task_type": "CAUSAL_LM", "use_dora": False, "use_rslora": False,
        "model_type": "mistral",
    }  # fmt: skip
    return {name: value for name, value in (config | changes).items() if value is not None}


def adapter_tensors(
    modules: Sequence[str] = ("q_proj", "v_proj"),
    *,
    rank: int = 4,
    layers: int = 2,
    dtype: type = np.float32,
    seed: int = 0,
    key: str = "base_model.model.model.layers.{layer}.{block}.{module}.lora_{half}.weight",
) -> dict[str, NDArray[np.generic]]:
    """A and B of each module of each layer, random."""
    rng = np.random.default_rng(seed)
    tensors: dict[str, NDArray[np.generic]] = {}
    for layer in range(layers):
        for module in modules:
            outputs, inputs = SIZES[module]
            block = "self_attn" if module[0] in "qkvo" else "mlp"
            for half, shape in (("A", (rank, inputs)), ("B", (outputs, rank))):
                name = key.format(layer=layer, block=block, module=module, half=half)
                tensors[name] = rng.normal(0, 0.1, shape).astype(dtype)
    return tensors


def make_adapter(
    folder: Path,
    config: Mapping[str, object] | None = None,
    tensors: Mapping[str, NDArray[np.generic]] | None = None,
) -> Path:
    """Write both files; return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CONFIG).write_text(json.dumps(adapter_config() if config is None else config))
    save_safetensors(folder / WEIGHTS, adapter_tensors() if tensors is None else tensors)
    return folder
