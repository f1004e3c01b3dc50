"""GPTQ's layout made the slow and obvious way, for tests to compare with.

Source: AutoGPTQ's `QuantLinear.pack`: eight inputs share an int32 of the codes, eight outputs one of the zero points,
and a zero point is kept less one (version 1 of the format) or as it is (version 2).
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file


def quantise_gptq(
    folder: Path, group: int | None, *, version: int = 1, ordered: bool = False, seed: int = 0, **changes: Any
) -> dict[str, NDArray[np.float32]]:
    """Turn a plain checkpoint's linears into GPTQ's, in place; returns what all its weights are worth then.

    Args:
        group: inputs that share a scale; None for all of a row.
        ordered: whether columns are dealt out to groups at random, as ordering by activation does.
        changes: to `quantization_config`.
    """
    rng = np.random.default_rng(seed)
    stored: dict[str, NDArray[Any]] = load_file(folder / "model.safetensors")
    worth = {name: values.astype(np.float32) for name, values in stored.items()}
    for name in [name for name in stored if name.endswith("_proj.weight")]:
        weight, _ = worth[name], stored.pop(name)
        size = group or weight.shape[1]
        order = np.arange(weight.shape[1]) // size
        if ordered:
            rng.shuffle(order)
        groups = [weight[:, order == number] for number in range(order.max() + 1)]
        low = np.stack([np.minimum(part.min(axis=1), 0) for part in groups], axis=1)
        high = np.stack([np.maximum(part.max(axis=1), 0) for part in groups], axis=1)
        scales = ((high - low) / 15).astype(np.float16)
        zeros = np.clip(np.rint(-low / scales), 0, 15).astype(np.int64)
        codes = np.clip(np.rint(weight / scales[:, order]) + zeros[:, order], 0, 15).astype(np.int64)
        prefix = name.removesuffix(".weight")
        stored[f"{prefix}.qweight"] = words(codes).T.copy()
        stored[f"{prefix}.qzeros"] = words((zeros.T - (version == 1)) % 16)
        stored[f"{prefix}.scales"] = scales.T.copy()
        stored[f"{prefix}.g_idx"] = order.astype(np.int32)
        worth[name] = ((codes - zeros[:, order]) * scales[:, order].astype(np.float32)).astype(np.float32)
    save_file(stored, folder / "model.safetensors")
    config = json.loads((folder / "config.json").read_text())
    config["quantization_config"] = {
        "quant_method": "gptq", "bits": 4, "group_size": group or -1, "desc_act": ordered, "sym": False,
        "checkpoint_format": "gptq" if version == 1 else "gptq_v2",
    } | changes  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config))
    return worth


def words(codes: NDArray[np.int64]) -> NDArray[np.int32]:
    """Eight codes [rows, 8 * n] to an int32 [rows, n], the first in the lowest bits."""
    shifted = np.ascontiguousarray(codes).reshape(len(codes), -1, 8) << np.arange(0, 32, 4)
    packed: NDArray[np.int32] = shifted.sum(axis=-1).astype(np.uint32).view(np.int32)
    return packed
