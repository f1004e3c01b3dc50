"""Checkpoints that compressed-tensors itself has written: values as the library has them, and what is refused."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file

from fireside.errors import BadWeights, UnsupportedWeights
from fireside.weights.checkpoint import BlockLinear, Checkpoint, Coding
from fireside.weights.nbits import dense_blocks
from fireside.weights.open import open_checkpoint
from support.checkpoints import make_tiny_checkpoint
from support.compressed import compress, edit_config, group, order_by_activation

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
Q_PROJ = "layers.0.self_attn.q_proj"
STORED = f"model.{Q_PROJ}"
Worth = dict[str, NDArray[np.float32]]


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plain")
    make_tiny_checkpoint(folder, hidden=256, inner=512, heads=8, vocab=104, layers=1)
    return folder


@pytest.fixture(scope="module")
def saved(plain: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Worth]:
    """An asymmetric checkpoint, and what it is worth."""
    folder = tmp_path_factory.mktemp("asymmetric")
    return folder, compress(plain, folder, group(symmetric=False))


@pytest.fixture
def folder(saved: tuple[Path, Worth], tmp_path: Path) -> Path:
    """A copy of it to be changed."""
    return shutil.copytree(saved[0], tmp_path / "copy")


def check_values(checkpoint: Checkpoint, worth: Worth) -> None:
    for stored, values in worth.items():
        name = stored.removeprefix("model.").removesuffix(".weight")
        np.testing.assert_array_equal(checkpoint.dense(name), values, err_msg=name)
        if values.ndim == 2 and name != "embed_tokens":
            linear = checkpoint.linear(name)
            found = dense_blocks(linear) if isinstance(linear, BlockLinear) else linear
            np.testing.assert_array_equal(found, values, err_msg=name)


@pytest.mark.parametrize("symmetric", [True, False], ids=["symmetric", "asymmetric"])
@pytest.mark.parametrize(
    ("scheme", "block"),
    [
        ({"group_size": 16}, 16),
        ({"group_size": 32}, 32),
        ({"group_size": 64}, 64),
        ({"group_size": 128}, 128),
        ({"group_size": 256}, 128),
        ({"strategy": "channel", "group_size": None}, 128),
        ({"actorder": "weight"}, 128),
    ],
    ids=str,
)
def test_every_four_bit_form(scheme: dict[str, Any], block: int, symmetric: bool, plain: Path, tmp_path: Path) -> None:
    worth = compress(plain, tmp_path, group(symmetric=symmetric, **scheme))
    checkpoint = open_checkpoint(tmp_path)
    assert checkpoint.coding(Q_PROJ) == Coding(4, block, only=True)
    assert checkpoint.coding("lm_head") is None
    check_values(checkpoint, worth)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_scales_of_other_types(dtype: torch.dtype, plain: Path, tmp_path: Path) -> None:
    worth = compress(plain, tmp_path, group(symmetric=False), dtype=dtype)
    check_values(open_checkpoint(tmp_path), worth)


def test_several_groups_and_what_they_leave_out(plain: Path, tmp_path: Path) -> None:
    worth = compress(
        plain,
        tmp_path,
        group("re:.*self_attn.(q|k)_proj$", group_size=32, symmetric=False),
        group("re:.*mlp.*", "lm_head", strategy="channel", group_size=None),
        ignore=["re:.*up_proj"],
    )
    checkpoint = open_checkpoint(tmp_path)
    names = ("self_attn.q_proj", "self_attn.v_proj", "mlp.gate_proj", "mlp.up_proj")
    codings = [checkpoint.coding(f"layers.0.{name}") for name in names]
    assert codings == [Coding(4, 32, only=True), None, Coding(4, 128, only=True), None]
    assert checkpoint.coding("lm_head") == Coding(4, 128, only=True)
    check_values(checkpoint, worth)


@pytest.mark.parametrize("symmetric", [True, False], ids=["symmetric", "asymmetric"])
def test_columns_ordered_by_activation_come_as_floats(symmetric: bool, plain: Path, tmp_path: Path) -> None:
    worth = compress(plain, tmp_path, group(group_size=32, symmetric=symmetric))
    order_by_activation(tmp_path, worth, 32)
    checkpoint = open_checkpoint(tmp_path)
    assert checkpoint.coding(Q_PROJ) == Coding(8, 32)
    assert isinstance(checkpoint.linear(Q_PROJ), np.ndarray)
    check_values(checkpoint, worth)


def test_a_quantised_cache_is_run_in_floats(plain: Path, tmp_path: Path) -> None:
    scheme = {"num_bits": 8, "type": "float", "strategy": "tensor", "dynamic": False, "symmetric": True}
    worth = compress(plain, tmp_path, group(), kv_cache_scheme=scheme)
    assert f"{STORED.removesuffix('.q_proj')}.k_scale" in load_file(tmp_path / "model.safetensors")
    check_values(open_checkpoint(tmp_path), worth)


def edit_tensors(folder: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors")


def test_zero_points_of_old_releases_are_bytes(saved: tuple[Path, Worth], folder: Path) -> None:

    def unpack(tensors: dict[str, torch.Tensor]) -> None:
        for name in [name for name in tensors if name.endswith("zero_point")]:
            packed = tensors[name].numpy().view(np.uint32)
            zeros = np.stack([packed >> shift & 15 for shift in range(0, 32, 4)], axis=1).reshape(-1, packed.shape[1])
            tensors[name] = torch.from_numpy(zeros.astype(np.int8) - 8)

    edit_tensors(folder, unpack)
    check_values(open_checkpoint(folder), saved[1])
    edit_tensors(folder, lambda tensors: tensors[f"{STORED}.weight_zero_point"].fill_(8))
    with pytest.raises(BadWeights, match=r"q_proj\.weight_zero_point has zero points that are not of 4 bits"):
        open_checkpoint(folder).linear(Q_PROJ)


@pytest.mark.parametrize(
    ("part", "value", "why"),
    [
        ("weight_packed", torch.zeros(256, 16, dtype=torch.int32), r"shape \[256, 16\]; .* asks for \[256, 32\]"),
        ("weight_packed", torch.zeros(256, 32), "has dtype F32, not I32"),
        ("weight_shape", torch.tensor([256, 255]), r"weight_shape says \[256, 255\], not \[256, 256\]"),
        ("weight_scale", torch.ones(256, 4), "fits no config group"),
        ("weight_scale", torch.ones(128, 2), r"shape \[128, 2\]; .* asks for \[256, 2\]"),
        ("weight_scale", torch.ones(256, 2, dtype=torch.int32), "has dtype I32, not F32 or F16 or BF16"),
        ("weight_zero_point", torch.zeros(31, 2, dtype=torch.int32), r"shape \[31, 2\]; .* asks for \[32, 2\]"),
        ("weight_zero_point", None, "without zero points, fits no config group"),
        ("weight_scale", None, "has the tensor .*weight_scale"),
        ("weight_shape", None, "has the tensor .*weight_shape"),
        ("weight_g_idx", torch.zeros(256, dtype=torch.int32), "does not put 128 columns into each group"),
        ("weight_g_idx", torch.arange(256, dtype=torch.int32), "does not put 128 columns into each group"),
    ],
)
def test_tensors_that_do_not_fit(part: str, value: torch.Tensor | None, why: str, folder: Path) -> None:

    def change(tensors: dict[str, torch.Tensor]) -> None:
        tensors.pop(f"{STORED}.{part}", None)
        if value is not None:
            tensors[f"{STORED}.{part}"] = value

    edit_tensors(folder, change)
    with pytest.raises(BadWeights, match=why):
        open_checkpoint(folder)


def test_scales_that_are_no_numbers(folder: Path) -> None:
    edit_tensors(folder, lambda tensors: tensors[f"{STORED}.weight_scale"].fill_(float("nan")))
    with pytest.raises(BadWeights, match=r"q_proj\.weight_scale has values that are infinite or not a number"):
        open_checkpoint(folder).linear(Q_PROJ)


EIGHT = {"num_bits": 8, "type": "int", "symmetric": True}
FLOAT = {"num_bits": 8, "type": "float", "symmetric": True}
TOKEN = {"strategy": "token", "dynamic": True}
FP4 = {"num_bits": 4, "type": "float", "symmetric": True, "strategy": "tensor_group", "group_size": 16}


@pytest.mark.parametrize(
    ("groups", "why"),
    [
        ({"weights": EIGHT | {"strategy": "group", "group_size": 128}}, "8-bit int weights"),
        ({"weights": EIGHT | {"strategy": "channel"}, "input_activations": EIGHT | TOKEN},
         "'int-quantized' .*8-bit int weights, 8-bit int activations"),
        ({"weights": FLOAT | {"strategy": "channel"}, "input_activations": FLOAT | TOKEN},
         "'float-quantized' .*8-bit float weights, 8-bit float activations"),
        ({"weights": FP4}, "'nvfp4-pack-quantized' .*4-bit float weights"),
        (group(symmetric=True) | {"input_activations": EIGHT | TOKEN},
         "4-bit int weights, 8-bit int activations"),
    ],
    ids=["W8A16", "W8A8", "FP8", "NVFP4", "W4A8"],
)  # fmt: skip
def test_other_schemes_of_the_library_are_refused_by_name(
    groups: dict[str, Any], why: str, plain: Path, tmp_path: Path
) -> None:
    compress(plain, tmp_path, {"targets": ["Linear"]} | groups, read_back=False)
    with pytest.raises(UnsupportedWeights, match=rf"config\.json: compressed-tensors with .*{why}.* Take the model in"):
        open_checkpoint(tmp_path)


def test_one_group_of_several_that_is_not_read(plain: Path, tmp_path: Path) -> None:
    eight = {"targets": ["re:.*mlp.*"], "weights": EIGHT | {"strategy": "channel"}}
    compress(plain, tmp_path, group("re:.*self_attn.*"), eight, read_back=False)
    with pytest.raises(UnsupportedWeights, match=r"8-bit int weights in config_groups\.group_1"):
        open_checkpoint(tmp_path)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"format": "marlin-24"}, "the format 'marlin-24'"),
        ({"format": None}, "the format None"),
        ({"sparsity_config": {"format": "sparse-24-bitmask"}}, r"sparse weights \('sparse-24-bitmask'\)"),
        ({"transform_config": {"config_groups": {"R1": {}}}}, "weights that were rotated"),
    ],
)
def test_what_else_is_refused_by_name(changes: dict[str, Any], why: str, folder: Path) -> None:
    edit_config(folder, lambda config: config.update(changes))
    with pytest.raises(UnsupportedWeights, match=why):
        open_checkpoint(folder)


@pytest.mark.parametrize(
    ("change", "error", "why"),
    [
        ({"strategy": "tensor", "group_size": None}, UnsupportedWeights, "a scale by 'tensor'"),
        ({"strategy": None, "group_size": None}, UnsupportedWeights, "a scale by 'tensor'"),
        ({"strategy": None}, None, ""),
        ({"group_size": 24}, UnsupportedWeights, "a scale for each 24 inputs"),
        ({"group_size": 0}, BadWeights, "has groups of 0"),
        ({"group_size": "128"}, BadWeights, "weights makes no sense"),
        ({"dynamic": True}, UnsupportedWeights, "4-bit int weights"),
    ],
)
def test_a_scheme_in_the_config(change: dict[str, Any], error: type[Exception] | None, why: str, folder: Path) -> None:
    edit_config(folder, lambda config: config["config_groups"]["group_0"]["weights"].update(change))
    if error is None:
        assert open_checkpoint(folder).coding(Q_PROJ) == Coding(4, 128, only=True)
        return
    with pytest.raises(error, match=why):
        open_checkpoint(folder)


@pytest.mark.parametrize("groups", [None, [], {}, {"group_0": []}, {"W4A16": ["Linear"]}, {"group_0": {"weights": 4}}])
def test_config_groups_that_make_no_sense(groups: object, folder: Path) -> None:
    edit_config(folder, lambda config: config.update(config_groups=groups))
    with pytest.raises(BadWeights, match="config_groups"):
        open_checkpoint(folder)
