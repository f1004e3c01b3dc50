"""The errors of GGUF weights: of files whose errors are known, and llama.cpp's own answers read back."""

from pathlib import Path

import numpy as np
import pytest
from bench.gguf_errors import Squares, divergence, log_probs, weight_errors
from bench.gguf_mixes import Told, read_told
from gguf import GGMLQuantizationType

from fireside.engine.onnx.load import load_model
from fireside.engine.onnx.options import OnnxOptions
from fireside.engine.onnx.pack import pack
from fireside.weights.nbits import quantize
from fireside.weights.open import open_checkpoint
from support.checkpoints import make_tiny_checkpoint
from support.gguf_files import write_gguf
from support.reference import Reference

KINDS = {"q_proj": "Q4_0", "k_proj": "Q4_0", "v_proj": "Q5_0", "o_proj": "Q4_1", "lm_head": "Q8_0"}


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mixed")
    worth = make_tiny_checkpoint(folder / "plain", "llama", vocab=101)
    kinds = {name: GGMLQuantizationType[kind] for name, kind in KINDS.items()}
    write_gguf(folder / "mixed.gguf", worth, 4, 2, GGMLQuantizationType.Q4_0, kinds=kinds)
    return folder


def test_errors_by_type_and_form(mixed: Path) -> None:
    path = mixed / "mixed.gguf"
    checkpoint = open_checkpoint(path)
    found = weight_errors(path, pack(checkpoint, "int8", None, lambda phase, done, total: None))
    exact = {("Q4_0", "int8"), ("Q5_0", "int8"), ("Q4_0", "int4"), ("Q8_0", "int8")}
    assert found.keys() == exact | {("Q4_1", "int8")}
    assert {key for key, squares in found.items() if squares.errors == 0} == exact
    errors = values = 0.0
    for layer in range(2):
        weight = checkpoint.dense(f"layers.{layer}.self_attn.o_proj")
        codes, scales, _ = quantize(weight, 8, 32)
        kept = ((codes.astype(np.float32) - 128) * scales[..., None]).reshape(weight.shape)
        errors += float(np.square(kept - weight).sum())
        values += float(np.square(weight).sum())
    assert found["Q4_1", "int8"].percent == pytest.approx(100 * (errors / values) ** 0.5, rel=1e-4)
    assert Squares(4.0, 100.0).percent == 20


def test_the_engines_answers_are_those_of_the_second_half(mixed: Path) -> None:
    tokens = list(range(1, 17))
    options = OnnxOptions(model_path=str(mixed / "plain"), weights="f32", max_num_seqs=2, context_length=16, threads=2)
    model = load_model(options, lambda phase, done, total: None).model
    found = log_probs(model, Told(tokens, np.zeros((7, 101), np.float32)))
    worth = make_tiny_checkpoint(mixed / "plain", "llama", vocab=101)
    expected = Reference(mixed / "plain", worth).logits(tokens)[8:15]
    assert found.shape == expected.shape
    np.testing.assert_allclose(np.exp(found).sum(axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(found - found[:, :1], expected - expected[:, :1], atol=2e-4)


def test_what_llama_perplexity_saves() -> None:
    probabilities = np.random.default_rng(0).dirichlet(np.ones(5), 3)
    logarithms = np.log(probabilities).astype(np.float32)
    rows = b""
    for row in logarithms:  # an odd vocabulary is padded
        scale = (row.max() - row.min()) / 65535
        steps = np.rint((row - row.min()) / scale).astype("<u2")
        rows += np.array([scale, row.min()], "<f4").tobytes() + steps.tobytes() + bytes(2)
    head = b"_logits_" + np.array([8, 5, 1, *range(8)], "<i4").tobytes()
    told = read_told(head + rows)
    assert told.tokens == list(range(8))
    cut = np.where(logarithms > logarithms.min(axis=1, keepdims=True), logarithms, -np.inf)
    np.testing.assert_allclose(told.log_probs, cut, atol=1e-3)
    assert divergence(told.log_probs, np.maximum(told.log_probs, -100)) == 0
    assert divergence(np.log([[0.5, 0.5]]), np.log([[0.25, 0.75]])) == pytest.approx(0.5 * np.log(4 / 3))
