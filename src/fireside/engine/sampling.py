"""From logits to the next token, in numpy, one row at a time.

Order as in transformers and vLLM: penalties, temperature, top-k, top-p, draw. Each request draws from a random stream
of its own, one number per token, so its seed gives the same answer alone, in a mixed batch, streamed or not.
"""

import numpy as np
from numpy.typing import NDArray

from fireside.engine.types import Sampling
from fireside.errors import EngineFailed

Logits = NDArray[np.float32]

FIRST_CANDIDATES = 256
"""top-p looks at this many best tokens before it sorts the whole vocabulary."""

COLDEST = 1e-5
"""Lower temperatures are greedy, as in vLLM: a draw could not tell them from 0, but float32 overflows."""

SMALLEST_PENALTY = 0.01
"""Lower repetition penalties act as this one, which nothing but a repetition survives; float32 overflows below."""


class Sampler:
    """Chooses the tokens of one request.

    Args:
        sampling: the request's parameters.
        prompt_ids: int [n]; the repetition penalty counts them.
        vocab_size: length of a row of logits.
    """

    def __init__(self, sampling: Sampling, prompt_ids: list[int], vocab_size: int) -> None:
        self._sampling = sampling
        self._coldest = sampling.temperature < COLDEST
        self._random = np.random.Generator(np.random.PCG64(sampling.seed))
        self._repeats = sampling.repetition_penalty not in (0.0, 1.0)
        self._counts_answer = bool(sampling.frequency_penalty or sampling.presence_penalty)
        self._seen = np.zeros(vocab_size if self._repeats else 0, dtype=np.bool_)
        self._counts = np.zeros(vocab_size if self._counts_answer else 0, dtype=np.float32)
        if self._repeats:
            self._seen[prompt_ids] = True

    @property
    def greedy(self) -> bool:
        """Whether the choice is just the largest logit, which a whole batch can share."""
        return self._coldest and not self._repeats and not self._counts_answer

    def choose(self, logits: Logits, allowed: NDArray[np.intp] | None = None) -> int:
        """The next token id from logits float32 [vocab]; the row is left as it was. Raises as `check_best` does.

        Args:
            allowed: ascending ids; only one of these is chosen. None allows all.
        """
        logits = self._penalised(logits)
        if allowed is not None:
            logits = logits[allowed]
        best = int(logits.argmax())
        check_best(logits, best)
        token = best if self._coldest else self._draw(logits)
        if allowed is not None:
            token = int(allowed[token])
        self.observe(token)
        return token

    def observe(self, token: int) -> None:
        """Count a token of the answer."""
        if self._repeats:
            self._seen[token] = True
        if self._counts_answer:
            self._counts[token] += 1

    def _penalised(self, logits: Logits) -> Logits:
        if self._repeats:
            # CTRL (Keskar et al. 2019, section 4.1), in the sign-aware form of transformers.
            penalty = np.float32(max(self._sampling.repetition_penalty, SMALLEST_PENALTY))
            punished = np.where(logits > 0, logits / penalty, logits * penalty)
            logits = np.where(self._seen, punished, logits)
        if self._counts_answer:
            flat = np.float32(self._sampling.presence_penalty) * (self._counts > 0)
            logits = logits - np.float32(self._sampling.frequency_penalty) * self._counts - flat
        return logits

    def _draw(self, logits: Logits) -> int:
        sampling = self._sampling
        number = self._random.random()
        if sampling.top_k:
            candidates = _best(logits, sampling.top_k)
        elif sampling.top_p < 1:
            candidates = _best(logits, FIRST_CANDIDATES)
        else:
            return _pick(_weights(logits, sampling.temperature), number)
        weights = _weights(logits[candidates], sampling.temperature)
        if sampling.top_p < 1:
            total = weights.sum() if sampling.top_k else _weights(logits, sampling.temperature).sum()
            kept = int(np.searchsorted(weights.cumsum(), sampling.top_p * total)) + 1
            if kept > len(candidates) and not sampling.top_k:
                candidates = np.argsort(-logits, kind="stable")
                weights = _weights(logits[candidates], sampling.temperature)
                kept = int(np.searchsorted(weights.cumsum(), sampling.top_p * total)) + 1
            weights = weights[:kept]
        return int(candidates[_pick(weights, number)])


def is_reproducible(sampling: Sampling) -> bool:
    """Whether the same request is to give the same answer again: greedy, or with a seed."""
    return sampling.seed is not None or sampling.temperature < COLDEST


def check_best(logits: Logits, best: int) -> None:
    """Raise EngineFailed when logits [vocab], whose argmax is `best`, are not fit to choose from.

    argmax takes a NaN before any number, so one look finds NaN and infinity anywhere. Single tokens may be at minus
    infinity.
    """
    if not np.isfinite(logits[best]):
        raise EngineFailed(
            "The model computed something that is not a number. Its weights are probably damaged: fetch them again."
        )


def _best(logits: Logits, count: int) -> NDArray[np.intp]:
    """Ids of the `count` largest logits, best first; equal logits by id, so that the order never depends on the
    sort."""
    if count >= len(logits):
        return np.argsort(-logits, kind="stable")
    candidates = np.argpartition(logits, -count)[-count:]
    threshold = logits[candidates].min()
    # argpartition breaks ties at the threshold as it likes: take all of them, then the lowest ids.
    candidates = np.flatnonzero(logits >= threshold)
    return candidates[np.argsort(-logits[candidates], kind="stable")][:count]


def _weights(logits: Logits, temperature: float) -> NDArray[np.float64]:
    """Probabilities up to a common factor: exp((logit - max) / temperature)."""
    with np.errstate(over="ignore"):  # far below the best: minus infinity, which has probability 0
        scaled = (logits - logits.max()) / np.float32(temperature)
    weights: NDArray[np.float64] = np.exp(scaled, out=scaled).astype(np.float64)
    return weights


def _pick(weights: NDArray[np.float64], number: float) -> int:
    """Index drawn in proportion to `weights` by a uniform `number` in [0, 1)."""
    edges = weights.cumsum()
    return min(int(np.searchsorted(edges, number * edges[-1], side="right")), len(weights) - 1)
