"""What of a GGUF file the engine changes: its weights, by type, and the distribution of the next token, by mix."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from bench.gguf_checkpoint import gguf_tensors
from bench.gguf_mixes import CONTEXT, Mixes, Told
from bench.report import number
from fireside.engine.onnx.layout import LinearSpec, WeightFormat
from fireside.engine.onnx.load import Loaded, load_model
from fireside.engine.onnx.model_runner import DecodeInput, ModelRunner
from fireside.engine.onnx.options import OnnxOptions, WeightsMode
from fireside.engine.onnx.pack import Packed
from fireside.weights.checkpoint import BlockLinear
from fireside.weights.gguf import read_gguf
from fireside.weights.gguf_checkpoint import GgufCheckpoint
from fireside.weights.nbits import dense_blocks, unpack_pairs
from fireside.weights.shapes import tensor_shapes

HELD: WeightsMode = "int8"
"""As all but small models are held."""


@dataclass(slots=True)
class Squares:
    """Sums over weights: of the squares of what the engine adds to them, and of their own."""

    errors: float = 0.0
    values: float = 0.0

    @property
    def percent(self) -> float:
        """Root of the mean square of the errors, relative to that of the values."""
        return 100 * math.sqrt(self.errors / self.values)


@dataclass(slots=True)
class MixErrors:
    """Of one file.

    Args:
        types: how many tensors have which type.
        weights: by type and by the form in which the engine holds it.
        rounding: mean divergence (nats) of the engine with weights as HELD from that with the file's own values.
        llama: mean divergence (nats) of the engine with the file's own values from llama.cpp.
        same: share of positions at which the likeliest token is llama.cpp's.
    """

    types: Counter[str]
    weights: dict[tuple[str, WeightFormat], Squares]
    rounding: float
    llama: float
    same: float


def measure(mixes: Mixes, mix: str, threads: int) -> MixErrors:
    """Write the mix and compare. Raises Unavailable when llama.cpp fails."""
    path = mixes.write(mix)
    told = mixes.ask_llama(path)
    exact = log_probs(_load(path, "f32", threads).model, told)
    loaded = _load(path, HELD, threads)
    tensors = read_gguf(path).tensors.values()
    return MixErrors(
        types=Counter(tensor.kind.name for tensor in tensors if len(tensor.shape) > 1),
        weights=weight_errors(path, loaded.packed),
        rounding=divergence(exact, log_probs(loaded.model, told)),
        llama=divergence(told.log_probs, exact),
        same=float((told.log_probs.argmax(axis=1) == exact.argmax(axis=1)).mean()),
    )


def _load(path: Path, mode: WeightsMode, threads: int) -> Loaded:
    options = OnnxOptions(model_path=str(path), weights=mode, max_num_seqs=2, context_length=CONTEXT, threads=threads)
    return load_model(options, lambda phase, done, total: None)


def weight_errors(path: Path, packed: Packed) -> dict[tuple[str, WeightFormat], Squares]:
    """Of every linear of the file, as it was packed."""
    checkpoint = GgufCheckpoint(path)
    names = (name for name, _ in tensor_shapes(checkpoint.config))
    stored = dict(zip(names, (name for name, _, _ in gguf_tensors(checkpoint.config, "Q4_0")), strict=True))
    stored.setdefault("lm_head", stored["embed_tokens"])
    tensors = read_gguf(path).tensors
    sums: dict[tuple[str, WeightFormat], Squares] = {}
    for linear in [*(linear for layer in packed.linears for linear in layer), packed.head]:
        start = 0
        for source, rows in zip(linear.sources, linear.out_features, strict=True):
            given, kept = checkpoint.dense(source), unpacked(packed, linear, slice(start, start + rows))
            start += rows
            found = sums.setdefault((tensors[stored[source]].kind.name, linear.weight_format), Squares())
            found.errors += float(np.square(kept - given, dtype=np.float64).sum())
            found.values += float(np.square(given, dtype=np.float64).sum())
    return sums


def unpacked(packed: Packed, linear: LinearSpec, rows: slice) -> NDArray[np.float32]:
    """What these rows of a product are worth as the engine holds them."""
    parts: list[NDArray[Any]] = [packed.file.tensors[spec.name][rows] for spec in linear.tensors()]
    codes, scales, *zeros = parts
    flat = codes.reshape(len(codes), -1)
    points = unpack_pairs(zeros[0])[:, : scales.shape[1]] if zeros else None
    return dense_blocks(
        BlockLinear(linear.bits, linear.block, unpack_pairs(flat) if linear.bits == 4 else flat, scales, points)
    )


def log_probs(model: ModelRunner, told: Told) -> NDArray[np.float64]:
    """Log-probabilities of the engine, for the same tokens as llama.cpp's; the second half is decoded."""
    first = len(told.tokens) - 1 - len(told.log_probs)
    model.prefill(0, 0, told.tokens[:first])
    rows = [
        model.decode([DecodeInput(0, at, told.tokens[at])], pad=False)[0].astype(np.float64)
        for at in range(first, len(told.tokens) - 1)
    ]
    logits = np.stack(rows)
    logits -= logits.max(axis=1, keepdims=True)
    normalised: NDArray[np.float64] = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    return normalised


def divergence(expected: NDArray[np.floating], found: NDArray[np.floating]) -> float:
    """Kullback-Leibler divergence of `found` from `expected` in nats, the mean over rows of log-probabilities."""
    likely = np.isfinite(expected)
    return float((np.exp(expected) * np.where(likely, np.where(likely, expected, 0) - found, 0)).sum(axis=1).mean())


def weights_table(measured: Iterable[MixErrors]) -> Table:
    """By type, over all mixes."""
    sums: dict[tuple[str, WeightFormat], Squares] = {}
    for mix in measured:
        for key, squares in mix.weights.items():
            total = sums.setdefault(key, Squares())
            total.errors += squares.errors
            total.values += squares.values
    table = Table(
        "type", "held as", "error of weights (RMS, %)", title=f"GGUF weights as the engine holds them, {HELD}"
    )
    for (kind, form), squares in sorted(sums.items()):
        table.add_row(kind, form, "exact" if squares.errors == 0 else number(squares.percent))
    return table


def mixes_table(model: str, measured: Sequence[tuple[str, MixErrors]]) -> Table:
    """By mix."""
    headings = ("mix", "tensors", "KL of rounding (nats)", "KL from llama.cpp (nats)", "same likeliest token (%)")
    table = Table(*headings, title=f"The next token of {model}")
    for mix, errors in measured:
        types = ", ".join(f"{count} {kind}" for kind, count in errors.types.most_common())
        table.add_row(mix, types, number(errors.rounding), number(errors.llama), number(100 * errors.same))
    return table
