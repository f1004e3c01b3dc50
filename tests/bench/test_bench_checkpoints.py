"""The checkpoints the benchmark makes are what they say: read back by the readers that will read them."""

from pathlib import Path

import gguf
import numpy as np
import pytest
from bench.awq_checkpoint import checkpoint_bytes, stored_tensors, vocabulary, write_awq
from bench.gguf_checkpoint import gguf_bytes, write_gguf
from bench.model import make_once, mistral_7b
from bench.workload import BenchError

from fireside.prompting import open_tokenizer
from fireside.weights.checkpoint import AwqLinear
from fireside.weights.open import open_checkpoint
from support.bench_models import TINY

GROUP = 32


@pytest.fixture
def awq(tmp_path: Path) -> Path:
    folder = tmp_path / "awq"
    write_awq(folder, TINY, GROUP)
    return folder


def test_fireside_opens_the_awq_folder(awq: Path) -> None:
    checkpoint = open_checkpoint(awq)
    assert checkpoint.config == TINY
    down = checkpoint.linear("layers.1.mlp.down_proj")
    assert isinstance(down, AwqLinear)
    assert (down.qweight.shape, down.qzeros.shape, down.scales.shape) == ((96, 8), (3, 8), (3, 64))
    assert down.group_size == GROUP
    assert checkpoint.dense("lm_head").shape == (290, 64)
    assert np.array_equal(checkpoint.dense("norm"), np.ones(64, np.float32))


def test_weights_lie_around_zero_and_differ(awq: Path) -> None:
    linear = open_checkpoint(awq).linear("layers.0.self_attn.q_proj")
    assert isinstance(linear, AwqLinear)
    zeros = np.stack([(linear.qzeros.view(np.uint32) >> shift) & 15 for shift in range(0, 32, 4)])
    assert set(np.unique(zeros)) == {7, 8}
    assert len(np.unique(linear.qweight)) > linear.qweight.size // 2
    assert 0 < linear.scales.min() < linear.scales.max() < 0.01


def test_the_folder_is_as_large_as_foretold(awq: Path) -> None:
    size = (awq / "model.safetensors").stat().st_size
    assert 0 <= size - checkpoint_bytes(TINY, GROUP) < 16384  # the header


def test_the_same_seed_gives_the_same_bytes(awq: Path, tmp_path: Path) -> None:
    write_awq(tmp_path / "again", TINY, GROUP)
    write_awq(tmp_path / "other", TINY, GROUP, seed=1)
    first, again, other = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("awq", "again", "other"))
    assert first == again
    assert first != other


def test_the_tokenizer_has_ids_for_any_text_and_reads_them_back(awq: Path) -> None:
    tokenizer = open_tokenizer(awq)
    text = "42 is a number, ünd ▁ so on"
    ids = tokenizer.encode(text, control=True)
    assert all(0 <= token < TINY.vocab_size for token in ids)
    assert b"".join(tokenizer.token_bytes(token) for token in ids).decode().strip().startswith("42 is a number, ünd")


def test_a_vocabulary_too_small_for_bytes_is_refused() -> None:
    with pytest.raises(ValueError, match="no room"):
        vocabulary(100)


def test_the_full_shape_is_that_of_mistral_7b() -> None:
    config = mistral_7b()
    tensors = {tensor.name: tensor.shape for tensor in stored_tensors(config)}
    assert len(tensors) == 32 * (7 * 3 + 2) + 3
    assert tensors["model.embed_tokens.weight"] == tensors["lm_head.weight"] == (32002, 4096)
    assert tensors["model.layers.31.mlp.gate_proj.qweight"] == (4096, 14336 // 8)
    assert tensors["model.layers.31.self_attn.k_proj.scales"] == (32, 1024)
    assert 4.1e9 < checkpoint_bytes(config) < 4.2e9


@pytest.mark.parametrize("quant", ["Q4_0", "Q4_1"])
def test_the_gguf_file_has_the_shape_and_types(tmp_path: Path, quant: str) -> None:
    path = tmp_path / "model.gguf"
    write_gguf(path, TINY, quant)  # type: ignore[arg-type]
    reader = gguf.GGUFReader(path)
    types = {tensor.name: tensor.tensor_type.name for tensor in reader.tensors}
    assert len(types) == 2 * 9 + 3
    assert types["blk.1.ffn_down.weight"] == types["token_embd.weight"] == quant
    assert types["output.weight"] == "Q8_0"
    assert types["blk.0.attn_norm.weight"] == "F32"
    shapes = {tensor.name: tuple(reversed(tensor.shape.tolist())) for tensor in reader.tensors}
    assert shapes["blk.1.ffn_down.weight"] == (64, 96)
    values = {tensor.name: gguf.dequantize(tensor.data, tensor.tensor_type) for tensor in reader.tensors}
    assert abs(values["blk.1.ffn_down.weight"].mean()) < 0.01
    assert 0.005 < values["blk.1.ffn_down.weight"].std() < 0.05
    assert sum(tensor.n_bytes for tensor in reader.tensors) == gguf_bytes(TINY, quant)  # type: ignore[arg-type]


def test_a_checkpoint_is_made_once_and_never_left_half_made(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "model"

    def fail(unfinished: Path) -> None:
        unfinished.mkdir()
        (unfinished / "half").touch()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_once(path, 1, fail)
    assert not path.exists()
    assert make_once(path, 1, Path.mkdir) == path
    assert list(path.iterdir()) == []
    make_once(path, 1, fail)  # is there, so nothing is written


def test_a_full_disk_is_told_before_writing(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="GB"):
        make_once(tmp_path / "model", 1 << 60, Path.mkdir)
