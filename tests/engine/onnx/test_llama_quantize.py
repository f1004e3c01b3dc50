"""A file exactly as llama.cpp's converter and llama-quantize write it, of mixed types and with sentencepiece inside, is
answered as llama.cpp itself answers it; `python -m bench --part gguf` does the same with every mix."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load_file

from fireside.engine.onnx.load import load_model
from fireside.engine.onnx.model_runner import DecodeInput
from fireside.engine.onnx.options import OnnxOptions, WeightsMode
from fireside.prompting import open_tokenizer
from fireside.weights.gguf import read_gguf

FILE = Path(__file__).parents[2] / "data/llama-quantize/Q4_K_M.gguf"
THEIRS = load_file(FILE.with_name("answers.safetensors"))
TOKENS: list[int] = THEIRS["tokens"].tolist()


def test_the_mix() -> None:
    kinds = {name: tensor.kind.name for name, tensor in read_gguf(FILE).tensors.items()}
    assert {kinds[f"blk.0.{name}.weight"] for name in ("attn_q", "attn_k", "ffn_up")} == {"Q4_K"}
    assert {kinds[f"blk.0.{name}.weight"] for name in ("attn_v", "ffn_down")} == {"Q6_K"}
    assert [kinds[f"{name}.weight"] for name in ("token_embd", "output", "output_norm")] == ["Q4_K", "Q6_K", "F32"]


def test_the_text_has_llama_cpps_tokens() -> None:
    text = THEIRS["text"].tobytes().decode()
    bos, *tokens = TOKENS
    assert bos == 1
    assert open_tokenizer(FILE).encode(text, control=False)[: len(tokens)] == tokens


def divergence(expected: NDArray[np.float64], found: NDArray[np.float64]) -> float:
    """Kullback-Leibler's, in nats; what is e^16 times less likely than the likeliest token is not in the file."""
    likely = np.isfinite(expected)
    return float((np.exp(expected[likely]) * (expected[likely] - found[likely])).sum())


@pytest.mark.parametrize("mode", ["f32", "int8"])
def test_the_next_tokens_distribution_is_llama_cpps(mode: WeightsMode) -> None:
    options = OnnxOptions(model_path=str(FILE), weights=mode, max_num_seqs=2, context_length=64, threads=2)
    model = load_model(options, lambda phase, done, total: None).model
    expected = THEIRS["log_probs"].astype(np.float64)
    first = len(TOKENS) - 1 - len(expected)
    model.prefill(0, 0, TOKENS[:first])
    for row, position in enumerate(range(first, len(TOKENS) - 1)):
        logits = model.decode([DecodeInput(0, position, TOKENS[position])], pad=False)[0].astype(np.float64)
        found = logits - logits.max() - np.log(np.exp(logits - logits.max()).sum())
        # llama.cpp rounds activations to 8 bits. Neighbouring positions are further away by a factor of a hundred.
        assert abs(divergence(expected[row], found)) < 0.01, position
        assert divergence(expected[row - 1], found) > 1
