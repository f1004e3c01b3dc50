"""A model in every mix that llama-quantize writes, and what llama.cpp itself makes of each file."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.model import make_once
from bench.peers import command
from fireside.weights.checkpoint import ModelConfig

MIXES = (
    "F16", "BF16", "Q8_0", "Q6_K", "Q5_K_M", "Q5_K_S", "Q5_1", "Q5_0", "Q4_K_M", "Q4_K_S", "Q4_1", "Q4_0", "Q3_K_L",
    "Q3_K_M", "Q3_K_S", "Q2_K", "Q2_K_S", "IQ4_NL", "IQ4_XS", "IQ3_M", "IQ3_S", "IQ3_XS", "IQ3_XXS", "IQ2_M", "IQ2_S",
    "IQ2_XS", "IQ2_XXS", "IQ1_M", "IQ1_S", "TQ2_0", "TQ1_0", "MXFP4_MOE", "Q2_0", "Q1_0",
)  # fmt: skip
"""By llama-quantize's names; F32 is what they are made from."""
RANDOM_LLAMA = ModelConfig(
    vocab_size=1024, hidden_size=512, intermediate_size=1024, layers=4, heads=8, kv_heads=4, head_dim=64,
    context_length=512, rope_theta=10000.0, norm_eps=1e-5,
)  # fmt: skip
"""Of widths that are a multiple of 256, as K and I quants want them: SmolLM2's are not, and get other types."""

TEXT = Path(__file__).parents[1] / "LICENSE"
CONTEXT = 128
"""Tokens of the text that are read; what comes after those of the second half is compared."""
_SECONDS = 3600.0
_SUMMED = ("IQ", "Q2_K_S")
"""Mixes made with an importance matrix, as their makers advise and llama-quantize partly demands."""


@dataclass(frozen=True, slots=True)
class Told:
    """What llama.cpp holds likely after each token of the second half but the last.

    Args:
        tokens: ids of the text, [CONTEXT].
        log_probs: float32 [CONTEXT / 2 - 1, vocab]; minus infinity for what is e^16 times less likely than others.
    """

    tokens: list[int]
    log_probs: NDArray[np.float32]


class Mixes:
    """Makes the files one by one, since all together take 6 GB.

    Args:
        name: the model's, for its folder.
        source: the file that all are made from.
        programs: folder of llama.cpp's.
    """

    def __init__(self, work: Path, name: str, source: Path, programs: Path, threads: int) -> None:
        self._folder = work / "gguf-mixes" / name
        self._log = work / "logs" / "gguf-mixes.log"
        self._source = source
        self._programs = programs
        self._threads = str(threads)

    def prepare(self) -> None:
        """Make the file in f32 and the importance matrix, where they are not there. Raises Unavailable."""
        requantise: list[str | Path] = ["--allow-requantize", self._source]
        size = 8 * self._source.stat().st_size
        self._f32 = make_once(
            self._folder / "f32.gguf", size, lambda path: self._run("llama-quantize", *requantise, path, "F32")
        )
        options: list[str | Path] = [
            "-m",
            self._f32,
            "-f",
            TEXT,
            "-c",
            str(CONTEXT),
            "--chunks",
            "8",
            "-t",
            self._threads,
            "-o",
        ]
        self._sums = make_once(
            self._folder / "importance.gguf", 1 << 24, lambda path: self._run("llama-imatrix", *options, path)
        )

    def write(self, mix: str) -> Path:
        """The model in this mix, in a file that the next call replaces. Raises Unavailable."""
        path = self._folder / "mix.gguf"
        path.unlink(missing_ok=True)
        options: list[str | Path] = ["--imatrix", self._sums] if mix.startswith(_SUMMED) else []
        self._run("llama-quantize", *options, self._f32, path, mix)
        return path

    def ask_llama(self, path: Path) -> Told:
        """What llama.cpp makes of the text with this file. Raises Unavailable."""
        answer = self._folder / "logits"
        options: list[str | Path] = ["-m", path, "-f", TEXT, "-c", str(CONTEXT), "--chunks", "1", "-t", self._threads]
        self._run("llama-perplexity", *options, "--save-all-logits", answer)
        return read_told(answer.read_bytes())

    def _run(self, program: str, *arguments: str | Path) -> None:
        command.run([self._programs / program, *arguments], self._log, _SECONDS)


def read_told(content: bytes) -> Told:
    """What llama-perplexity has saved of one chunk: a head, the tokens, and for each token a scale, the least logarithm
    and steps from there (`log_softmax` in its perplexity.cpp)."""
    context, vocab, chunks = (int(number) for number in np.frombuffer(content, "<i4", 3, 8))
    assert content[:8] == b"_logits_"
    assert chunks == 1
    tokens = np.frombuffer(content, "<i4", context, 20)
    rows = np.frombuffer(content, "<u2", offset=20 + 4 * context).reshape(context - 1 - context // 2, -1)
    scales = np.ascontiguousarray(rows[:, :4]).view("<f4")
    steps = rows[:, 4 : 4 + vocab].astype(np.float32)
    return Told(tokens.tolist(), np.where(steps > 0, steps * scales[:, :1] + scales[:, 1:], -np.inf))
