"""Logits of a loaded model, without a runner."""

from pathlib import Path
from typing import Any

from fireside.engine.onnx.load import load_model
from fireside.engine.onnx.model_runner import DecodeInput
from fireside.engine.onnx.options import OnnxOptions


def all_logits(folder: Path, prompt: list[int], **options: Any) -> Any:
    """Logits after each token of the prompt, prefilled in pieces of every size from one token up, then decoded."""
    model = load_model(
        OnnxOptions(model_path=str(folder), max_num_seqs=2, context_length=512, threads=2, **options),
        lambda phase, done, total: None,
    ).model
    logits, past = [], 0
    for size in (1, 2, 3, 4, 5, 6):
        logits.append((past + size - 1, model.prefill(1, past, prompt[past : past + size])[0].copy()))
        past += size
    for position in range(past, len(prompt)):
        logits.append((position, model.decode([DecodeInput(1, position, prompt[position])])[0].copy()))
    return logits
