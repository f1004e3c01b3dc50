"""safetensors folders: sound ones give the values that were stored, others one clear message each."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ml_dtypes import bfloat16

from fireside.errors import BadWeights, FiresideError, ModelNotDownloaded, UnsupportedWeights
from fireside.weights.checkpoint import AwqLinear
from fireside.weights.open import open_checkpoint
from fireside.weights.safetensors_file import MAX_HEADER_BYTES, read_safetensors
from fireside.weights.safetensors_folder import SafetensorsCheckpoint
from support.checkpoints import make_tiny_checkpoint, safetensors_bytes, save_safetensors

SMALL: dict[str, Any] = {"layers": 1, "hidden": 64, "inner": 64, "heads": 2, "kv_heads": 1, "vocab": 11}
Q_PROJ = "model.layers.0.self_attn.q_proj"
INDEX = "model.safetensors.index.json"


def stored(folder: Path) -> dict[str, np.ndarray[Any, Any]]:
    """The tensors of a folder's single file, by name; bfloat16 as such."""
    file = read_safetensors(folder / "model.safetensors")
    return {
        name: tensor.map().copy().view(bfloat16) if tensor.dtype == "BF16" else tensor.map().copy()
        for name, tensor in file.tensors.items()
    }


def rewrite(folder: Path, changes: dict[str, Any]) -> None:
    """Replace tensors of a folder's single file; None takes one out."""
    tensors = stored(folder) | changes
    save_safetensors(folder / "model.safetensors", {k: v for k, v in tensors.items() if v is not None})


def edit_json(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize("dtype", ["f32", "f16", "bf16"])
@pytest.mark.parametrize("shards", [1, 3])
@pytest.mark.parametrize("tie", [False, True])
def test_dense_values_are_exactly_those_stored(dtype: Any, shards: int, tie: bool, tmp_path: Path) -> None:
    worth = make_tiny_checkpoint(tmp_path, "llama", dtype=dtype, shards=shards, tie=tie, **SMALL)
    checkpoint = open_checkpoint(tmp_path)
    for name, values in worth.items():
        ours = name.removeprefix("model.").removesuffix(".weight")
        for read in (checkpoint.dense, checkpoint.linear):
            got = read(ours)
            assert isinstance(got, np.ndarray)
            assert got.dtype == np.float32
            np.testing.assert_array_equal(got, values)
    head = "model.embed_tokens.weight" if tie else "lm_head.weight"
    np.testing.assert_array_equal(checkpoint.dense("lm_head"), worth[head])


@pytest.mark.parametrize("group", [32, 64])
def test_awq_tensors_come_as_they_are_stored(group: int, tmp_path: Path) -> None:
    worth = make_tiny_checkpoint(tmp_path, awq_group=group, **SMALL)
    checkpoint, tensors = SafetensorsCheckpoint(tmp_path), stored(tmp_path)
    linear = checkpoint.linear("layers.0.self_attn.q_proj")
    assert isinstance(linear, AwqLinear)
    assert linear.group_size == group
    for part in ("qweight", "qzeros", "scales"):
        np.testing.assert_array_equal(getattr(linear, part), tensors[f"{Q_PROJ}.{part}"])
    # The head and the embedding are never quantised.
    np.testing.assert_array_equal(checkpoint.dense("lm_head"), worth["lm_head.weight"])
    np.testing.assert_array_equal(checkpoint.dense("norm"), worth["model.norm.weight"])


def test_linears_awq_left_dense(tmp_path: Path) -> None:
    make_tiny_checkpoint(tmp_path, awq_group=32, **SMALL)
    weight = np.ones((64, 64), np.float16)
    parts = {f"{Q_PROJ}.{part}": None for part in ("qweight", "qzeros", "scales")}
    rewrite(tmp_path, {**parts, f"{Q_PROJ}.weight": weight})
    np.testing.assert_array_equal(SafetensorsCheckpoint(tmp_path).linear("layers.0.self_attn.q_proj"), weight)


def test_mapped_values_are_read_only(tmp_path: Path) -> None:
    make_tiny_checkpoint(tmp_path, **SMALL)
    with pytest.raises(ValueError, match="read-only"):
        SafetensorsCheckpoint(tmp_path).dense("norm")[0] = 1


def test_tensors_that_change_nothing_are_let_be(tmp_path: Path) -> None:
    make_tiny_checkpoint(tmp_path, "llama", tie=True, **SMALL)
    frequencies, head = np.ones(16, np.float32), np.zeros((11, 64), np.float32)
    rewrite(tmp_path, {"model.layers.0.self_attn.rotary_emb.inv_freq": frequencies, "lm_head.weight": head})
    checkpoint = SafetensorsCheckpoint(tmp_path)
    np.testing.assert_array_equal(checkpoint.dense("lm_head"), checkpoint.dense("embed_tokens"))


@pytest.mark.parametrize(
    ("awq", "changes", "why"),
    [
        (None, {"lm_head.weight": None}, r"no safetensors file here has the tensor lm_head\.weight"),
        (None, {f"{Q_PROJ}.weight": None}, rf"no safetensors file here has the tensor {Q_PROJ}\.weight"),
        (None, {"model.norm.weight": np.ones(63, np.float32)}, r"has shape \[63\]; config.json asks"),
        (
            None,
            {"model.norm.weight": np.ones((64, 1), np.float32)},
            r"has shape \[64, 1\]; config.json asks for \[64\]",
        ),
        (None, {"model.norm.weight": np.ones(64, np.float64)}, "has dtype F64, not F32 or F16 or BF16"),
        (None, {f"{Q_PROJ}.weight": np.ones((64, 64), np.int32)}, "has dtype I32, not F32 or F16 or BF16"),
        (32, {f"{Q_PROJ}.qzeros": None}, rf"no safetensors file here has the tensor {Q_PROJ}\.qzeros"),
        (32, {f"{Q_PROJ}.scales": None}, rf"no safetensors file here has the tensor {Q_PROJ}\.scales"),
        (32, {f"{Q_PROJ}.scales": np.ones((2, 64), np.float32)}, "has dtype F32, not F16"),
        (
            32,
            {f"{Q_PROJ}.scales": np.ones((1, 64), np.float16)},
            r"has shape \[1, 64\]; .* asks for \[2, 64\]",
        ),
        (32, {f"{Q_PROJ}.qweight": np.ones((64, 8), np.float32)}, "has dtype F32, not I32"),
        (32, {f"{Q_PROJ}.qweight": np.ones((8, 64), np.int32)}, r"has shape \[8, 64\]; .* asks for \[64, 8\]"),
    ],
)
def test_tensors_unlike_the_config(awq: int | None, changes: dict[str, Any], why: str, tmp_path: Path) -> None:
    make_tiny_checkpoint(tmp_path, awq_group=awq, **SMALL)
    rewrite(tmp_path, changes)
    with pytest.raises(BadWeights, match=why):
        SafetensorsCheckpoint(tmp_path)


@pytest.mark.parametrize("name", ["model.layers.1.mlp.up_proj.weight", f"{Q_PROJ}.bias", f"{Q_PROJ}.g_idx"])
def test_tensors_that_have_no_place(name: str, tmp_path: Path) -> None:
    make_tiny_checkpoint(tmp_path, **SMALL)
    rewrite(tmp_path, {name: np.ones(64, np.float32)})
    with pytest.raises(UnsupportedWeights, match=rf"tensor {name} has no place in config\.json's model"):
        SafetensorsCheckpoint(tmp_path)


def test_an_awq_group_that_does_not_divide_the_width(tmp_path: Path) -> None:
    make_tiny_checkpoint(tmp_path, awq_group=32, **SMALL)
    config = json.loads((tmp_path / "config.json").read_text())
    edit_json(tmp_path / "config.json", quantization_config=config["quantization_config"] | {"group_size": 128})
    with pytest.raises(BadWeights, match="q_proj is 64 by 64; AWQ groups of 128 do not fit"):
        SafetensorsCheckpoint(tmp_path)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_awq_scales_that_are_no_numbers(value: float, tmp_path: Path) -> None:
    make_tiny_checkpoint(tmp_path, awq_group=32, **SMALL)
    scales = stored(tmp_path)[f"{Q_PROJ}.scales"]
    scales[1, 7] = value
    rewrite(tmp_path, {f"{Q_PROJ}.scales": scales})
    checkpoint = SafetensorsCheckpoint(tmp_path)
    with pytest.raises(BadWeights, match=rf"model\.safetensors: tensor {Q_PROJ}\.scales has values that are infinite"):
        checkpoint.linear("layers.0.self_attn.q_proj")


@pytest.mark.parametrize("method", ["quark", "fp8", "bitsandbytes"])
def test_other_quantisation_is_named_before_any_tensor_is_missed(method: str, tmp_path: Path) -> None:
    make_tiny_checkpoint(tmp_path, awq_group=32, **SMALL)
    edit_json(tmp_path / "config.json", quantization_config={"quant_method": method, "bits": 4})
    with pytest.raises(UnsupportedWeights, match=f"quantised with '{method}'"):
        open_checkpoint(tmp_path)


def test_float8_without_a_word_in_the_config(tmp_path: Path) -> None:
    make_tiny_checkpoint(tmp_path, **SMALL)
    path = tmp_path / "model.safetensors"
    header_size = int.from_bytes(path.read_bytes()[:8], "little")
    header = json.loads(path.read_bytes()[8 : 8 + header_size])
    header[f"{Q_PROJ}.weight"] |= {"dtype": "F8_E4M3", "shape": [64, 256]}
    path.write_bytes(safetensors_bytes(header, path.read_bytes()[8 + header_size :]))
    with pytest.raises(FiresideError, match=rf"tensor {Q_PROJ}\.weight has"):
        open_checkpoint(tmp_path)


# Headers that lie.

ONE = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
TWO = {"dtype": "F32", "shape": [2], "data_offsets": [8, 16]}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x10\x00",
        b"\0" * 8,
        (1 << 63).to_bytes(8, "little") + b"{}",
        (1000).to_bytes(8, "little") + b'{"a": 1}',
        safetensors_bytes([], b""),
        safetensors_bytes({"a": 1}, b""),
        safetensors_bytes({"a": ONE}, bytes(4)),
        safetensors_bytes({"a": ONE}, bytes(12)),
        safetensors_bytes({"a": ONE, "b": ONE}, bytes(8)),
        safetensors_bytes({"a": ONE, "b": TWO | {"data_offsets": [4, 12]}}, bytes(12)),
        safetensors_bytes({"a": ONE, "b": TWO | {"data_offsets": [12, 20]}}, bytes(20)),
        safetensors_bytes({"a": ONE | {"data_offsets": [8, 0]}}, bytes(8)),
        safetensors_bytes({"a": ONE | {"data_offsets": [-8, 0]}}, bytes(8)),
        safetensors_bytes({"a": ONE | {"data_offsets": [0, 2**63]}}, bytes(8)),
        safetensors_bytes({"a": ONE | {"data_offsets": [0]}}, bytes(8)),
        safetensors_bytes({"a": ONE | {"shape": [3]}}, bytes(8)),
        safetensors_bytes({"a": ONE | {"shape": [-2]}}, bytes(8)),
        safetensors_bytes({"a": ONE | {"shape": [2**62, 2**62]}}, bytes(8)),
        safetensors_bytes({"a": ONE | {"dtype": "F33"}}, bytes(8)),
        safetensors_bytes({"a": {"dtype": "F32", "shape": [2]}}, bytes(8)),
        (200_000).to_bytes(8, "little") + b"[" * 200_000,
    ],
)
def test_a_broken_header(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    with pytest.raises(BadWeights, match=r"model\.safetensors: not a sound safetensors file: \S"):
        read_safetensors(path)


def test_a_tensor_named_twice(tmp_path: Path) -> None:
    text = f'{{"a": {json.dumps(ONE)}, "a": {json.dumps(ONE)}}}'.encode()
    path = tmp_path / "model.safetensors"
    path.write_bytes(len(text).to_bytes(8, "little") + text + bytes(8))
    with pytest.raises(BadWeights, match=r"model\.safetensors: .*'a' occurs twice"):
        read_safetensors(path)


def test_an_oversized_header_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    with path.open("wb") as file:
        file.write((MAX_HEADER_BYTES + 1).to_bytes(8, "little"))
        file.truncate(MAX_HEADER_BYTES * 2)
    with pytest.raises(BadWeights, match=f"its header has {MAX_HEADER_BYTES + 1} bytes, more than {MAX_HEADER_BYTES}"):
        read_safetensors(path)


def test_a_truncated_file(tmp_path: Path) -> None:
    make_tiny_checkpoint(tmp_path, **SMALL)
    path = tmp_path / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(BadWeights, match="not a sound safetensors file"):
        open_checkpoint(tmp_path)


def test_a_file_that_shrinks_after_it_was_opened(tmp_path: Path) -> None:
    make_tiny_checkpoint(tmp_path, **SMALL)
    checkpoint = open_checkpoint(tmp_path)
    path = tmp_path / "model.safetensors"
    size = path.stat().st_size
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(BadWeights, match=f"had {size} bytes when it was opened and has {size - 100} now"):
        checkpoint.dense("norm")
    path.unlink()
    with pytest.raises(BadWeights, match="cannot be read"):
        checkpoint.dense("norm")


# Shards.


@pytest.fixture
def sharded(tmp_path: Path) -> Path:
    make_tiny_checkpoint(tmp_path, shards=2, **SMALL)
    return tmp_path


def test_a_missing_shard(sharded: Path) -> None:
    (sharded / "model-00002-of-00002.safetensors").unlink()
    with pytest.raises(BadWeights, match=r"names model-00002-of-00002\.safetensors, which is not there"):
        open_checkpoint(sharded)


def test_a_tensor_in_two_shards(sharded: Path) -> None:
    (sharded / "model-00002-of-00002.safetensors").write_bytes(
        (sharded / "model-00001-of-00002.safetensors").read_bytes()
    )
    with pytest.raises(BadWeights, match="is in both model-0000"):
        open_checkpoint(sharded)


def test_an_index_that_names_the_wrong_shard(sharded: Path) -> None:
    places = json.loads((sharded / INDEX).read_text())["weight_map"]
    (other,) = set(places.values()) - {places["lm_head.weight"]}
    edit_json(sharded / INDEX, weight_map=places | {"lm_head.weight": other})
    with pytest.raises(BadWeights, match=rf"{other}: has no tensor lm_head\.weight, though .*index\.json says so"):
        open_checkpoint(sharded)


@pytest.mark.parametrize(
    "place",
    [
        "../model.safetensors", "/etc/model.safetensors", "..\\model.safetensors", "C:model.safetensors",
        "sub/model.safetensors", "a\0.safetensors", "model.bin", "..", "", 7, None,
    ],
)  # fmt: skip
def test_an_index_that_points_elsewhere(place: object, sharded: Path) -> None:
    places = json.loads((sharded / INDEX).read_text())["weight_map"]
    edit_json(sharded / INDEX, weight_map=places | {"lm_head.weight": place})
    with pytest.raises(BadWeights, match=r"places lm_head\.weight in .*, which is not the name of a safetensors file"):
        open_checkpoint(sharded)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"{", "cannot be read as JSON"),
        (b"\xff", "cannot be read as JSON"),
        (b"[" * 100_000, "cannot be read as JSON"),
        (b"[]", "not a JSON object"),
        (b'{"weight_map": {}}', "has no weight_map"),
        (b'{"weight_map": ["a"]}', "has no weight_map"),
    ],
)
def test_a_broken_index(content: bytes, why: str, sharded: Path) -> None:
    (sharded / INDEX).write_bytes(content)
    with pytest.raises(BadWeights, match=rf"index\.json: {why}"):
        open_checkpoint(sharded)


def test_an_oversized_index_is_not_read(sharded: Path) -> None:
    with (sharded / INDEX).open("wb") as file:
        file.truncate((1 << 26) + 1)
    with pytest.raises(BadWeights, match="larger than 67108864 bytes"):
        open_checkpoint(sharded)


def test_shards_without_an_index(sharded: Path) -> None:
    (sharded / INDEX).unlink()
    with pytest.raises(BadWeights, match=r"has safetensors files, but neither model\.safetensors nor"):
        open_checkpoint(sharded)


# What a folder holds.


def test_no_such_folder(tmp_path: Path) -> None:
    with pytest.raises(ModelNotDownloaded, match="no such file or folder"):
        open_checkpoint(tmp_path / "nowhere")


def test_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(ModelNotDownloaded, match="holds neither safetensors nor GGUF files"):
        open_checkpoint(tmp_path)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.PT", "model.pth", "model.ckpt"])
def test_pickles_are_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"\x80\x04.")
    with pytest.raises(UnsupportedWeights, match=rf"holds {name}, and such files can run code when loaded"):
        open_checkpoint(tmp_path)


def test_a_file_that_is_no_gguf(tmp_path: Path) -> None:
    make_tiny_checkpoint(tmp_path, **SMALL)
    with pytest.raises(UnsupportedWeights, match=r"not a \.gguf file. For safetensors, name the folder"):
        open_checkpoint(tmp_path / "model.safetensors")


def test_two_gguf_files(tmp_path: Path) -> None:
    for name in ("a.gguf", "B.GGUF"):
        (tmp_path / name).write_bytes(b"GGUF")
    with pytest.raises(UnsupportedWeights, match=r"holds 2 GGUF files \(B\.GGUF, a\.gguf\); name the one to use"):
        open_checkpoint(tmp_path)


# Any damage.


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes]:
    """A folder, and what its file holds as long as nobody damages it."""
    folder = tmp_path_factory.mktemp("sound")
    make_tiny_checkpoint(folder, **SMALL)
    return folder, (folder / "model.safetensors").read_bytes()


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_a_damaged_header_raises_nothing_but_our_errors(data: st.DataObject, sound: tuple[Path, bytes]) -> None:
    folder, whole = sound
    content = bytearray(whole)
    header = 8 + int.from_bytes(content[:8], "little")
    if data.draw(st.booleans(), "truncate"):
        del content[data.draw(st.integers(0, len(content) - 1)) :]
    else:
        flips = st.lists(st.tuples(st.integers(0, header - 1), st.integers(1, 255)), min_size=1, max_size=4)
        for position, bits in data.draw(flips):
            content[position] ^= bits
    (folder / "model.safetensors").write_bytes(content)
    try:
        checkpoint = open_checkpoint(folder)
    except FiresideError:
        return
    assert checkpoint.dense("norm").shape == (64,)
