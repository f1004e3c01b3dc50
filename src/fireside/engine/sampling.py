"""From logits to the next token, in numpy, one row at a time.

Order as in vLLM: what changes single logits (`fireside.engine.steps`), temperature, min-p, top-k, top-p, draw. Each
request draws from a random stream of its own, one number per token, so its seed gives the same answer alone, in a mixed
batch, streamed or not.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fireside.engine.steps import Logits, Setup, steps_for
from fireside.engine.types import MIN_LOGPROB, Sampling, Scores
from fireside.errors import EngineFailed

FIRST_CANDIDATES = 256
"""top-p looks at this many best tokens before it sorts the whole vocabulary."""

MIN_TEMPERATURE = 1e-5
"""Lower temperatures are greedy, as in vLLM: a draw could not tell them from 0, but float32 overflows."""


class Sampler:
    """Chooses the tokens of one request.

    Args:
        sampling: the request's parameters.
        prompt_ids: int [n]; the repetition penalty counts them.
        vocab_size: length of a row of logits.
        stop_ids: the tokens that end the answer, which min_tokens holds back.
    """

    def __init__(
        self, sampling: Sampling, prompt_ids: list[int], vocab_size: int, stop_ids: Sequence[int] = ()
    ) -> None:
        self._sampling = sampling
        self._coldest = sampling.temperature < MIN_TEMPERATURE
        self._random = np.random.Generator(np.random.PCG64(sampling.seed))
        self._steps = steps_for(Setup(sampling, prompt_ids, list(stop_ids), vocab_size))

    @property
    def greedy(self) -> bool:
        """Whether the choice is just the largest logit, which a whole batch can share."""
        return self._coldest and not self._steps

    def choose(self, logits: Logits, allowed: NDArray[np.intp] | None = None) -> int:
        """The next token id from logits float32 [vocab]; the row is left as it was. Raises as `check_best` does.

        Args:
            allowed: ascending ids; only one of these is chosen. None allows all.
        """
        for step in self._steps:
            logits = step.apply(logits)
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
        for step in self._steps:
            step.observe(token)

    def _draw(self, logits: Logits) -> int:
        sampling = self._sampling
        number = self._random.random()
        if sampling.min_p:
            logits = np.where(_weights(logits, sampling.temperature) < sampling.min_p, -np.inf, logits)
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


def scores(logits: Logits, token: int, count: int) -> Scores:
    """How likely a token was, and the `count` likeliest, from logits float32 [vocab] as the model made them."""
    shift = float(logits.max())
    shift += float(np.log(np.exp(logits - shift).sum(dtype=np.float64)))
    best = _best(logits, count).tolist() if count else []
    return Scores(_logprob(logits, token, shift), [(one, _logprob(logits, one, shift)) for one in best])


def _logprob(logits: Logits, token: int, shift: float) -> float:
    return max(float(logits[token]) - shift, MIN_LOGPROB)


def is_reproducible(sampling: Sampling) -> bool:
    """Whether the same request is to give the same answer again: greedy, or with a seed."""
    return sampling.seed is not None or sampling.temperature < MIN_TEMPERATURE


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
