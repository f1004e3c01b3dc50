"""A GGUF file as a checkpoint: the values of the model that was converted, whatever the block format."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gguf import GGMLQuantizationType
from gguf.quants import dequantize, quantize
from numpy.typing import NDArray

from fireside.errors import BadWeights, FiresideError, UnsupportedWeights
from fireside.weights.checkpoint import BlockLinear, Coding, ModelConfig
from fireside.weights.gguf import read_gguf
from fireside.weights.gguf_checkpoint import GgufCheckpoint
from fireside.weights.nbits import dense_blocks
from fireside.weights.open import open_checkpoint
from fireside.weights.shapes import tensor_shapes
from support.checkpoints import make_tiny_checkpoint
from support.gguf_files import split_gguf, write_gguf

HEADS, KV_HEADS = 4, 2
Weights = dict[str, NDArray[np.float32]]


@pytest.fixture(scope="module")
def worth(tmp_path_factory: pytest.TempPathFactory) -> Weights:
    """A tiny Llama's weights, by transformers' names."""
    return make_tiny_checkpoint(tmp_path_factory.mktemp("llama"), "llama", heads=HEADS, kv_heads=KV_HEADS, vocab=101)


def convert(folder: Path, worth: Weights, **options: Any) -> Path:
    path = folder / "model.gguf"
    write_gguf(path, worth, HEADS, KV_HEADS, **options)
    return path


def test_the_config(worth: Weights, tmp_path: Path) -> None:
    checkpoint = open_checkpoint(convert(tmp_path, worth))
    assert checkpoint.config == ModelConfig(
        vocab_size=101, hidden_size=128, intermediate_size=256, layers=2, heads=4, kv_heads=2, head_dim=32,
        context_length=512, rope_theta=10000.0, norm_eps=float(np.float32(1e-5)),
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["F32", "F16", "BF16", "Q4_0", "Q4_1", "Q8_0"])
def test_values_are_those_that_were_stored(kind: str, worth: Weights, tmp_path: Path) -> None:
    stored = GGMLQuantizationType[kind]
    checkpoint = open_checkpoint(convert(tmp_path, worth, kind=stored).parent)
    for name, values in worth.items():
        # Block formats round each row by itself, so rows that changed places and back are the same.
        expected = dequantize(quantize(values, stored), stored) if values.ndim == 2 else values
        found = checkpoint.dense(name.removeprefix("model.").removesuffix(".weight"))
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, expected, err_msg=name)


def test_a_float_linear(worth: Weights, tmp_path: Path) -> None:
    checkpoint = open_checkpoint(convert(tmp_path, worth))
    linear = checkpoint.linear("layers.1.self_attn.q_proj")
    assert isinstance(linear, np.ndarray)
    np.testing.assert_array_equal(linear, worth["model.layers.1.self_attn.q_proj.weight"])


def test_without_a_head_the_embedding_is_the_head(worth: Weights, tmp_path: Path) -> None:
    tied = {name: values for name, values in worth.items() if name != "lm_head.weight"}
    checkpoint = open_checkpoint(convert(tmp_path, tied))
    assert checkpoint.config.tie_embeddings
    np.testing.assert_array_equal(checkpoint.dense("lm_head"), worth["model.embed_tokens.weight"])


def test_the_default_models_real_file(smollm2_gguf: Path) -> None:
    checkpoint = GgufCheckpoint(smollm2_gguf)
    assert checkpoint.config == ModelConfig(
        vocab_size=49152, hidden_size=576, intermediate_size=1536, layers=30, heads=9, kv_heads=3, head_dim=64,
        context_length=8192, rope_theta=100000.0, norm_eps=float(np.float32(1e-5)), tie_embeddings=True,
    )  # fmt: skip
    for name, shape in tensor_shapes(checkpoint.config):
        if name.startswith("layers.") and not name.startswith("layers.17."):
            continue
        values = checkpoint.dense(name)
        assert values.shape == shape
        assert np.isfinite(values).all()


@pytest.mark.parametrize(
    ("changes", "field", "expected"),
    [
        ({"llama.attention.key_length": None}, "head_dim", 32),
        ({"llama.rope.freq_base": None}, "rope_theta", 10000.0),
        ({"llama.attention.sliding_window": 64}, "sliding_window", 64),
        ({"llama.attention.sliding_window": 0}, "sliding_window", None),
        ({"llama.vocab_size": 101}, "vocab_size", 101),
    ],
)
def test_what_metadata_may_leave_out(
    changes: dict[str, Any], field: str, expected: object, worth: Weights, tmp_path: Path
) -> None:
    assert getattr(open_checkpoint(convert(tmp_path, worth, changes=changes)).config, field) == expected


@pytest.mark.parametrize(
    ("changes", "error", "why"),
    [
        (
            {"general.architecture": "falcon"},
            UnsupportedWeights,
            "the architecture is 'falcon'; of GGUF files Fireside runs .*llama.* Take a model of one of these",
        ),
        ({"split.count": 2}, BadWeights, "one of 2 parts, and not named so. Name the files as llama-gguf-split does"),
        ({"llama.rope.scaling.type": "yarn"}, UnsupportedWeights, "scaling.type is 'yarn'; Fireside runs rotary"),
        ({"llama.rope.scaling.type": "linear"}, BadWeights, "rope.scaling.factor is missing"),
        (
            {"llama.rope.scaling.type": "linear", "llama.rope.scaling.factor": -2.0},
            BadWeights,
            r"rope.scaling.factor is -2\.0, not a positive number",
        ),
        ({"llama.expert_count": 8}, UnsupportedWeights, "a mixture of experts"),
        ({"llama.rope.dimension_count": 16}, UnsupportedWeights, "heads of 32 with 16 rotary dimensions"),
        ({"llama.attention.value_length": 16}, UnsupportedWeights, "values of 16"),
        ({"llama.block_count": None}, BadWeights, r"llama\.block_count is missing"),
        ({"llama.block_count": "two"}, BadWeights, r"llama\.block_count is not one whole number"),
        ({"llama.block_count": [2, 2]}, BadWeights, r"llama\.block_count is not one whole number"),
        ({"llama.block_count": 0}, BadWeights, r"llama\.block_count is 0, not between 1 and"),
        ({"llama.block_count": 1 << 31}, BadWeights, r"llama\.block_count is 2147483648, not between 1 and"),
        ({"llama.block_count": 3}, BadWeights, r"has no tensor blk\.2\.attn_norm\.weight"),
        ({"llama.block_count": 1}, UnsupportedWeights, r"tensor blk\.1\.\S+ is not part of the models"),
        ({"llama.attention.head_count": 0}, BadWeights, r"llama\.attention\.head_count is 0, not positive"),
        (
            {"llama.attention.head_count_kv": None},
            BadWeights,
            r"attn_k\.weight has shape \[64, 128\], not",
        ),
        ({"llama.attention.head_count_kv": 3}, BadWeights, "not a multiple of llama.attention.head_count_kv 3"),
        ({"llama.attention.head_count": [4, 4]}, BadWeights, r"head_count is not one whole number"),
        ({"llama.attention.layer_norm_rms_epsilon": None}, BadWeights, "layer_norm_rms_epsilon is missing"),
        ({"llama.attention.layer_norm_rms_epsilon": "x"}, BadWeights, "layer_norm_rms_epsilon is not one number"),
        ({"llama.rope.freq_base": float("nan")}, BadWeights, "freq_base is nan, not a positive number"),
        ({"llama.vocab_size": 100}, BadWeights, r"token_embd\.weight has shape \[101, 128\], not \[100, 128\]"),
        ({"split.count": [1, 1]}, BadWeights, r"split\.count is \[1 1\], not a whole number"),
        ({"llama.rope.scaling.type": [1, 2]}, BadWeights, r"llama\.rope\.scaling\.type is a list, not one value"),
        ({"llama.expert_count": [0, 0]}, BadWeights, r"llama\.expert_count is a list, not one value"),
        (
            {"llama.rope.dimension_count": [32, 32]},
            BadWeights,
            r"rope\.dimension_count is a list, not one value",
        ),
        (
            {"llama.attention.value_length": [32, 32]},
            BadWeights,
            r"attention\.value_length is a list, not one value",
        ),
    ],
)
def test_metadata_that_is_wrong_or_not_run(
    changes: dict[str, Any], error: type[FiresideError], why: str, worth: Weights, tmp_path: Path
) -> None:
    path = convert(tmp_path, worth, changes=changes)
    with pytest.raises(error, match=rf"model\.gguf: .*{why}"):
        open_checkpoint(path)


def test_a_missing_tensor(worth: Weights, tmp_path: Path) -> None:
    less = {name: values for name, values in worth.items() if "layers.1.mlp.up_proj" not in name}
    with pytest.raises(BadWeights, match=r"has no tensor blk\.1\.ffn_up\.weight"):
        open_checkpoint(convert(tmp_path, less))


def test_a_tensor_of_another_shape(worth: Weights, tmp_path: Path) -> None:
    odd = worth | {"model.layers.0.mlp.down_proj.weight": np.ones((128, 128), np.float32)}
    with pytest.raises(BadWeights, match=r"blk\.0\.ffn_down\.weight has shape \[128, 128\], not \[128, 256\]"):
        open_checkpoint(convert(tmp_path, odd))


def test_a_truncated_file(worth: Weights, tmp_path: Path) -> None:
    path = convert(tmp_path, worth)
    path.write_bytes(path.read_bytes()[:-4096])
    with pytest.raises(BadWeights, match=r"model\.gguf: tensor .* ends at byte .*; it seems truncated"):
        open_checkpoint(path)


def split(folder: Path, worth: Weights, **changes: Any) -> list[Path]:
    return split_gguf(convert(folder, worth), **changes)


def test_a_split_file_is_read_as_one(worth: Weights, tmp_path: Path) -> None:
    first, second = split(tmp_path, worth)
    for path in (tmp_path, first):
        checkpoint = open_checkpoint(path)
        for name, values in worth.items():
            np.testing.assert_array_equal(checkpoint.dense(name.removeprefix("model.").removesuffix(".weight")), values)
    before = open_checkpoint(first).fingerprint
    second.write_bytes(second.read_bytes() + bytes(32))
    assert open_checkpoint(first).fingerprint != before


def test_a_split_file_that_is_not_whole_or_not_named_so(worth: Weights, tmp_path: Path) -> None:
    first, second = split(tmp_path, worth)
    with pytest.raises(UnsupportedWeights, match=r"part 00002 of 00002; name the first one, tiny-00001-of-00002\.gguf"):
        open_checkpoint(second)
    copy = second.read_bytes()
    second.write_bytes(first.read_bytes())
    with pytest.raises(BadWeights, match=r"00002-of-00002\.gguf: not part 2 of 2"):
        open_checkpoint(tmp_path)
    second.unlink()
    with pytest.raises(BadWeights, match=r"00002-of-00002\.gguf: this part of 2 is missing"):
        open_checkpoint(tmp_path)
    first.rename(tmp_path / "other.gguf")
    second.write_bytes(copy)
    with pytest.raises(BadWeights, match="not named so"):
        open_checkpoint(tmp_path / "other.gguf")


@pytest.mark.parametrize(("kind", "bits"), [("Q4_0", 4), ("Q8_0", 8), ("Q5_0", 8), ("MXFP4", 8)])
def test_a_linear_whose_values_are_integers_times_a_scale(kind: str, bits: int, worth: Weights, tmp_path: Path) -> None:
    checkpoint = open_checkpoint(convert(tmp_path, worth, kind=GGMLQuantizationType[kind]))
    for name in ("layers.0.self_attn.q_proj", "layers.1.self_attn.k_proj", "layers.1.mlp.down_proj", "lm_head"):
        linear = checkpoint.linear(name)
        assert isinstance(linear, BlockLinear)
        assert checkpoint.coding(name) == Coding(bits, 32)
        assert (linear.bits, linear.block) == (bits, 32)
        np.testing.assert_array_equal(dense_blocks(linear), checkpoint.dense(name))


def test_a_type_without_such_integers_comes_as_floats_to_be_coded(worth: Weights, tmp_path: Path) -> None:
    checkpoint = open_checkpoint(convert(tmp_path, worth, kind=GGMLQuantizationType.Q4_1))
    assert checkpoint.coding("layers.0.self_attn.q_proj") == Coding(8, 32)
    assert isinstance(checkpoint.linear("layers.0.self_attn.q_proj"), np.ndarray)


def test_a_scale_that_is_not_finite(worth: Weights, tmp_path: Path) -> None:
    path = convert(tmp_path, worth, kind=GGMLQuantizationType.Q8_0)
    place = read_gguf(path).tensors["blk.0.ffn_up.weight"].offset
    content = bytearray(path.read_bytes())
    content[place : place + 2] = b"\xff\x7f"
    path.write_bytes(content)
    with pytest.raises(BadWeights, match=r"blk\.0\.ffn_up\.weight has values that are infinite or not a number"):
        open_checkpoint(path).linear("layers.0.mlp.up_proj")
