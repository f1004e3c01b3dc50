"""Mapped arrays, bfloat16, fingerprints, and the bounds of a config."""

import dataclasses
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ml_dtypes import bfloat16

from fireside.errors import BadWeights
from fireside.weights.checkpoint import ModelConfig
from fireside.weights.fingerprint import fingerprint_files
from fireside.weights.mapping import map_array, widen_bfloat16
from fireside.weights.shapes import check_config, linear_shapes, tensor_shapes
from support.checkpoints import make_tiny_checkpoint

SIZE = 20_000
CONFIG = ModelConfig(
    vocab_size=99, hidden_size=128, intermediate_size=256, layers=2, heads=4, kv_heads=2, head_dim=32,
    context_length=512, rope_theta=10000.0, norm_eps=1e-5,
)  # fmt: skip


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("mapping") / "data.bin"
    path.write_bytes(np.random.default_rng(0).bytes(SIZE))
    return path


@given(offset=st.integers(0, SIZE), rows=st.integers(0, 50), columns=st.integers(0, 50))
@pytest.mark.parametrize("dtype", ["<f2", "<i4", "u1"])
def test_any_part_of_a_file(dtype: str, offset: int, rows: int, columns: int, path: Path) -> None:
    length = rows * columns * np.dtype(dtype).itemsize
    if offset + length > SIZE:
        with pytest.raises(
            BadWeights, match=rf"bytes {offset} to {offset + length} lie outside the file of {SIZE} bytes"
        ):
            map_array(path, SIZE, offset, (rows, columns), dtype)
        return
    found = map_array(path, SIZE, offset, (rows, columns), dtype)
    assert found.shape == (rows, columns)
    assert found.tobytes() == path.read_bytes()[offset : offset + length]


@pytest.mark.parametrize(("offset", "shape"), [(-1, (1,)), (0, (2**40, 2**40)), (2**70, (1,))])
def test_parts_no_file_has(offset: int, shape: tuple[int, ...], path: Path) -> None:
    with pytest.raises(BadWeights, match="lie outside the file"):
        map_array(path, SIZE, offset, shape, "u1")


@given(bits=st.lists(st.integers(0, 65535), min_size=1, max_size=20))
def test_bfloat16_is_widened_exactly(bits: list[int]) -> None:
    array = np.array(bits, np.uint16)
    np.testing.assert_array_equal(
        widen_bfloat16(array).view(np.uint32), array.view(bfloat16).astype(np.float32).view(np.uint32)
    )


def test_a_fingerprint_changes_with_name_size_time_and_header(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"

    def mark(content: bytes, time: int = 1, file: Path = path, length: int = 4) -> str:
        file.write_bytes(content)
        os.utime(file, ns=(time, time))
        return fingerprint_files({file: length})

    first = mark(b"headdata")
    assert first == mark(b"headdata")
    assert first == mark(b"headDATA")  # the data do not count, their size and time do
    others = [mark(b"heAddata"), mark(b"headdata2"), mark(b"headdata", 2), mark(b"headdata", file=tmp_path / "b.bin")]
    assert len({first, *others}) == 5
    with pytest.raises(BadWeights, match=r"c\.bin: cannot be read"):
        fingerprint_files({tmp_path / "c.bin": 1})


def test_a_fingerprint_does_not_depend_on_the_order_or_the_folder(tmp_path: Path) -> None:
    paths = []
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        for name in ("a", "b"):
            path = tmp_path / folder / name
            path.write_bytes(name.encode())
            os.utime(path, ns=(1, 1))
            paths.append(path)
    a, b, c, d = paths
    assert fingerprint_files({a: 1, b: 1}) == fingerprint_files({b: 1, a: 1}) == fingerprint_files({c: 1, d: 1})


def test_the_shapes_are_those_of_a_real_checkpoint(tmp_path: Path) -> None:
    for tie in (False, True):
        worth = make_tiny_checkpoint(tmp_path, "llama", tie=tie)
        config = dataclasses.replace(CONFIG, tie_embeddings=tie)
        assert dict(tensor_shapes(config)) == {
            name.removeprefix("model.").removesuffix(".weight"): values.shape for name, values in worth.items()
        }
    assert list(linear_shapes(CONFIG))[:3] == ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"]


@pytest.mark.parametrize(
    ("field", "value", "why"),
    [
        ("vocab_size", 0, "VOCAB is 0, not between 1 and 4194304"),
        ("layers", 1025, "layers is 1025, not between 1 and 1024"),
        ("kv_heads", 3, "heads is 4, not a multiple of kv_heads 3"),
        ("head_dim", 33, "head_dim is 33, odd"),
        ("rope_theta", float("inf"), "rope_theta is inf, not a positive number"),
        ("rope_theta", 0.0, "rope_theta is 0.0, not a positive number"),
        ("norm_eps", float("nan"), "norm_eps is nan, not between 0 and 1"),
        ("sliding_window", 0, "sliding_window is 0, not positive"),
    ],
)
def test_a_config_out_of_bounds(field: str, value: object, why: str) -> None:
    with pytest.raises(BadWeights, match=f"^file: {why}"):
        check_config(dataclasses.replace(CONFIG, **{field: value}), "file", {"vocab_size": "VOCAB"})  # type: ignore[arg-type]
