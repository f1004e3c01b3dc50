"""GPTQ checkpoints: values as the format has them, and what is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from fireside.errors import BadWeights, FiresideError, UnsupportedWeights
from fireside.weights.checkpoint import BlockLinear, Coding
from fireside.weights.nbits import dense_blocks
from fireside.weights.open import open_checkpoint
from support.checkpoints import make_tiny_checkpoint
from support.gptq import quantise_gptq

Q_PROJ = "layers.0.self_attn.q_proj"
SHAPE: dict[str, Any] = {"hidden": 256, "inner": 512, "heads": 8, "vocab": 104, "layers": 1}


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize(
    ("group", "ordered", "coding"),
    [
        (32, False, Coding(4, 32, only=True)),
        (64, False, Coding(4, 64, only=True)),
        (128, False, Coding(4, 128, only=True)),
        (None, False, Coding(4, 128, only=True)),
        (32, True, Coding(8, 32)),
        (128, True, Coding(8, 32)),
    ],
)
def test_values(group: int | None, ordered: bool, coding: Coding, version: int, tmp_path: Path) -> None:
    make_tiny_checkpoint(tmp_path, **SHAPE)
    worth = quantise_gptq(tmp_path, group, ordered=ordered, version=version)
    checkpoint = open_checkpoint(tmp_path)
    assert checkpoint.coding(Q_PROJ) == coding
    assert checkpoint.coding("lm_head") is None
    for stored, values in worth.items():
        name = stored.removeprefix("model.").removesuffix(".weight")
        np.testing.assert_array_equal(checkpoint.dense(name), values, err_msg=name)
        linear = checkpoint.linear(name) if "proj" in name else None
        assert isinstance(linear, BlockLinear) == (linear is not None and not ordered)
        if isinstance(linear, BlockLinear):
            np.testing.assert_array_equal(dense_blocks(linear), values, err_msg=name)


def test_files_without_an_order(tmp_path: Path) -> None:
    make_tiny_checkpoint(tmp_path, **SHAPE)
    worth = quantise_gptq(tmp_path, 64)
    tensors = load_file(tmp_path / "model.safetensors")
    save_file({name: values for name, values in tensors.items() if "g_idx" not in name}, tmp_path / "model.safetensors")
    np.testing.assert_array_equal(open_checkpoint(tmp_path).dense(Q_PROJ), worth[f"model.{Q_PROJ}.weight"])


@pytest.mark.parametrize(
    ("changes", "error", "why"),
    [
        ({"bits": 8}, UnsupportedWeights, "GPTQ with 8 bits; Fireside reads 4 only. Take the model in"),
        ({"bits": None}, BadWeights, "bits is missing"),
        ({"checkpoint_format": "marlin"}, UnsupportedWeights, "GPTQ in the format 'marlin'"),
        ({"is_marlin_format": True}, UnsupportedWeights, "GPTQ in the format"),
        ({"dynamic": {"-:.*down.*": {}}}, UnsupportedWeights, "other settings for some layers"),
        ({"group_size": 24}, UnsupportedWeights, "a scale for each 24 inputs"),
        ({"group_size": 0}, BadWeights, "group_size is 0, neither positive nor -1"),
        ({"group_size": 1024}, BadWeights, "q_proj is 256 by 256; GPTQ groups of 1024 do not fit"),
        ({"group_size": 128}, BadWeights, r"qzeros has shape \[4, 32\]; .* asks for \[2, 32\]"),
    ],
)
def test_a_config_that_is_wrong_or_not_run(
    changes: dict[str, Any], error: type[FiresideError], why: str, tmp_path: Path
) -> None:
    make_tiny_checkpoint(tmp_path, **SHAPE)
    quantise_gptq(tmp_path, 64, **changes)
    with pytest.raises(error, match=why):
        open_checkpoint(tmp_path)
