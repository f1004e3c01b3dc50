"""Packed weights are worth what the checkpoint's are, in every form, without ever being in memory at once."""

import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gguf import GGMLQuantizationType
from numpy.typing import NDArray

from fireside.engine.onnx.layout import HEAD_BLOCK, LinearSpec, parameters
from fireside.engine.onnx.options import WeightsMode
from fireside.engine.onnx.pack import SMALL_MODEL, Packed, pack
from fireside.errors import BadWeights, UnsupportedWeights
from fireside.weights.checkpoint import ModelConfig
from fireside.weights.open import open_checkpoint
from support.checkpoints import make_tiny_checkpoint
from support.gguf_files import write_gguf

Worth = dict[str, NDArray[np.float32]]


def quiet(phase: str, done: int, total: int) -> None:
    pass


def packed(folder: Path, mode: WeightsMode = "auto", cache: Path | None = None) -> Packed:
    return pack(open_checkpoint(folder), mode, cache, quiet)


def worth_of(result: Packed, linear: LinearSpec) -> NDArray[np.float32]:
    """A packed linear as float32 [out, in], undone the slow and obvious way."""
    tensors = result.file.tensors
    if linear.weight_format == "f32":
        return tensors[f"{linear.name}.weight"].astype(np.float32).T
    codes: NDArray[Any] = tensors[f"{linear.name}.codes"]
    scales: NDArray[Any] = tensors[f"{linear.name}.scales"]
    zeros: NDArray[Any] = np.full(scales.shape, 128)
    if linear.bits == 4:
        codes = np.stack([codes & 15, codes >> 4], axis=-1).reshape(*scales.shape, linear.block)
        packed_zeros: NDArray[Any] = tensors[f"{linear.name}.zeros"]
        zeros = np.stack([packed_zeros & 15, packed_zeros >> 4], axis=-1).reshape(len(scales), -1)[:, : scales.shape[1]]
    values = (codes.astype(np.float32) - zeros[..., None].astype(np.float32)) * scales[..., None]
    result_: NDArray[np.float32] = values.reshape(linear.total_out_features, linear.in_features)
    return result_


def sources(worth: Worth, linear: LinearSpec) -> NDArray[np.float32]:
    """The same from what the checkpoint holds; fused linears are stacked."""
    return np.concatenate(
        [worth[name + ".weight" if name == "lm_head" else f"model.{name}.weight"] for name in linear.sources]
    )


def linears(result: Packed) -> list[LinearSpec]:
    return [linear for layer in result.linears for linear in layer]


@pytest.mark.parametrize(
    ("mode", "steps"), [("f32", 0), ("auto", 0), ("int8", 127), ("int4", 15)], ids=["f32", "auto", "int8", "int4"]
)
@pytest.mark.parametrize("dtype", ["f32", "bf16"])
def test_float_weights(tmp_path: Path, mode: Any, steps: int, dtype: Any) -> None:
    worth = make_tiny_checkpoint(tmp_path, dtype=dtype, vocab=101)
    result = packed(tmp_path, mode)
    for linear in [*linears(result), result.head]:
        got, wanted = worth_of(result, linear), sources(worth, linear)
        assert linear.weight_format == ("int8" if steps and linear is result.head else "f32" if not steps else mode)
        if not steps:
            np.testing.assert_array_equal(got, wanted)
            continue
        levels = 127 if linear is result.head else steps
        spread = np.abs(wanted).max() if levels == 127 else np.ptp(wanted)
        assert 0 < np.abs(got - wanted).max() <= 0.51 * spread / levels
    kept = np.float32 if not steps else np.float16
    np.testing.assert_array_equal(result.embedding, worth["model.embed_tokens.weight"].astype(kept))
    np.testing.assert_array_equal(result.file.tensors["norm"], worth["model.norm.weight"])


@pytest.mark.parametrize("group", [32, 64, 128])
@pytest.mark.parametrize("mode", ["auto", "int8", "f32"])
def test_awq_stays_as_it_is_whatever_was_asked_for(tmp_path: Path, group: int, mode: Any) -> None:
    worth = make_tiny_checkpoint(tmp_path, awq_group=group, hidden=256, inner=384, heads=4, head_dim=64)
    result = packed(tmp_path, mode)
    for linear in linears(result):
        assert (linear.weight_format, linear.block, linear.bits) == ("int4", group, 4)
        np.testing.assert_array_equal(worth_of(result, linear), sources(worth, linear))
    assert (result.head.weight_format, result.head.block) == ("int8", HEAD_BLOCK)
    assert result.embedding.dtype == np.float16


MIXED = {
    "q_proj": "Q4_0", "k_proj": "Q8_0", "v_proj": "Q4_1", "o_proj": "Q4_0", "gate_proj": "Q4_0", "up_proj": "Q5_0",
    "down_proj": "F16", "embed_tokens": "Q5_1", "lm_head": "Q4_0",
}  # fmt: skip


@pytest.mark.parametrize(
    ("mode", "forms"),
    [("auto", "f32 f32 f32 f32 f32"), ("int8", "int8 int4 int8 int8 int8"), ("int4", "int4 int4 int4 int4 int8")],
)
def test_each_product_of_a_mixed_gguf_has_the_most_exact_form(tmp_path: Path, mode: Any, forms: str) -> None:
    worth = make_tiny_checkpoint(tmp_path / "plain", vocab=101)
    kinds = {name: GGMLQuantizationType[kind] for name, kind in MIXED.items()}
    write_gguf(tmp_path / "mixed.gguf", worth, heads=4, kv_heads=2, kinds=kinds)
    checkpoint = open_checkpoint(tmp_path / "mixed.gguf")
    result = packed(tmp_path / "mixed.gguf", mode)
    exact = "Q4_0" if mode == "int4" else "Q4_0 Q5_0 Q8_0"
    for layer in result.linears:
        assert [linear.weight_format for linear in [*layer, result.head]] == forms.split()
    for linear in [*linears(result), result.head]:
        got, start = worth_of(result, linear), 0
        for source, rows in zip(linear.sources, linear.out_features, strict=True):
            part, stored = got[start : start + rows], checkpoint.dense(source)
            start += rows
            if linear.weight_format == "f32" or MIXED[source.rpartition(".")[2]] in exact.split():
                np.testing.assert_array_equal(part, stored)
            else:
                assert 0 < np.abs(part - stored).max() <= 0.51 * np.abs(stored).max() / (127 if linear.bits == 8 else 7)


def test_tied_embeddings_are_the_head(tmp_path: Path) -> None:
    worth = make_tiny_checkpoint(tmp_path, tie=True)
    result = packed(tmp_path, "f32")
    np.testing.assert_array_equal(worth_of(result, result.head), worth["model.embed_tokens.weight"])


@pytest.mark.parametrize(
    ("hidden", "inner", "blocks"), [(128, 256, {128: 32, 256: 32}), (2048, 64, {2048: 128, 64: 32, 128: 32})]
)
def test_narrow_linears_get_exact_blocks_and_wide_ones_fast_blocks(
    tmp_path: Path, hidden: int, inner: int, blocks: dict[int, int]
) -> None:
    make_tiny_checkpoint(tmp_path, hidden=hidden, inner=inner, heads=4, kv_heads=2, head_dim=32, layers=1)
    for linear in linears(packed(tmp_path, "int8")):
        assert linear.block == blocks[linear.in_features]


def test_a_width_that_fits_no_block_is_refused(tmp_path: Path) -> None:
    make_tiny_checkpoint(tmp_path, inner=200)
    assert linears(packed(tmp_path, "f32"))
    with pytest.raises(UnsupportedWeights, match="200"):
        packed(tmp_path, "int4")


def test_auto_means_f32_up_to_a_size() -> None:
    smollm2 = ModelConfig(
        vocab_size=49152, hidden_size=576, intermediate_size=1536, layers=30, heads=9, kv_heads=3, head_dim=64,
        context_length=8192, rope_theta=1e5, norm_eps=1e-5, tie_embeddings=True,
    )  # fmt: skip
    mistral = ModelConfig(
        vocab_size=32000, hidden_size=4096, intermediate_size=14336, layers=32, heads=32, kv_heads=8, head_dim=128,
        context_length=32768, rope_theta=1e6, norm_eps=1e-5,
    )  # fmt: skip
    assert parameters(smollm2) == 134_479_872
    assert parameters(mistral) == 7_110_393_856
    assert parameters(smollm2) < SMALL_MODEL < parameters(mistral)


def test_the_second_start_maps_what_the_first_one_packed(tmp_path: Path) -> None:
    folder, cache = tmp_path / "model", tmp_path / "cache"
    worth = make_tiny_checkpoint(folder)
    first = packed(folder, "int8", cache)
    first.file.finish()
    again = packed(folder, "int8", cache)
    assert (first.file.warm, again.file.warm) == (False, True)
    for linear in [*linears(again), again.head]:
        np.testing.assert_array_equal(worth_of(again, linear), worth_of(first, linear))
    assert worth["model.norm.weight"] == pytest.approx(again.file.tensors["norm"])


def test_another_form_or_changed_weights_are_packed_again(tmp_path: Path) -> None:
    folder, cache = tmp_path / "model", tmp_path / "cache"
    make_tiny_checkpoint(folder)
    packed(folder, "int8", cache).file.finish()
    assert not packed(folder, "int4", cache).file.warm
    worth = make_tiny_checkpoint(folder, seed=1)
    again = packed(folder, "int8", cache)
    assert not again.file.warm
    np.testing.assert_array_equal(again.file.tensors["norm"], worth["model.norm.weight"])


def test_progress_goes_up_to_its_total(tmp_path: Path) -> None:
    make_tiny_checkpoint(tmp_path)
    seen: list[tuple[str, int, int]] = []
    pack(open_checkpoint(tmp_path), "int4", None, lambda *step: seen.append(step))
    assert {phase for phase, _, _ in seen} == {"repacking weights"}
    done = [count for _, count, _ in seen]
    assert done == sorted(done)
    assert done[-1] == seen[-1][2]


@pytest.mark.parametrize("mode", ["int8", "int4"])
def test_a_bad_tensor_is_named_and_leaves_no_file(tmp_path: Path, mode: Any) -> None:
    folder, cache = tmp_path / "model", tmp_path / "cache"
    make_tiny_checkpoint(folder)
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-4] + b"\0\0\xc0\x7f")  # a NaN at the end of lm_head
    with pytest.raises(BadWeights, match="lm_head"):
        packed(folder, mode, cache)
    assert list(cache.iterdir()) == []


LARGEST = 512 * 1024 * 4


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> dict[int | None, Path]:
    """Models of many linears, dense and AWQ, whose largest has LARGEST bytes as float32."""
    folders: dict[int | None, Path] = {None: tmp_path_factory.mktemp("dense"), 128: tmp_path_factory.mktemp("awq")}
    for group, folder in folders.items():
        make_tiny_checkpoint(
            folder, awq_group=group, dtype="bf16", hidden=512, inner=1024, heads=8, kv_heads=8, head_dim=64, layers=7
        )
    return folders


@pytest.mark.parametrize(("mode", "group"), [("f32", None), ("int8", None), ("int4", None), ("auto", 128)])
def test_memory_is_that_of_a_few_linears_not_of_the_model(
    tmp_path: Path, wide: dict[int | None, Path], mode: Any, group: int | None
) -> None:
    checkpoint = open_checkpoint(wide[group])
    tracemalloc.start()  # counts what numpy takes, not what is mapped
    try:
        pack(checkpoint, mode, tmp_path, quiet)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 10 * LARGEST
    assert parameters(checkpoint.config) * 4 > 30 * LARGEST, "the model must be much larger for this to mean anything"
