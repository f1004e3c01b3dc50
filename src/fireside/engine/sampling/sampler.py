"""Chooses the tokens of one request, in numpy, one row of logits at a time.

The order is vLLM's: processors, temperature, truncations, draw. Each request draws from its own random stream, one
number per token, so that a seed gives the same answer alone or in a mixed batch, streamed or not.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fireside.engine.sampling.processors import Logits, Setup, processors_for
from fireside.engine.sampling.truncations import Candidates, best_ids, truncations_for
from fireside.engine.types import MIN_LOGPROB, Sampling, Scores
from fireside.errors import EngineFailed


def scores(logits: Logits, token: int, count: int) -> Scores:
    """A token's logprob and the `count` most likely tokens, from logits float32 [vocab]."""
    shift = float(logits.max())
    shift += float(np.log(np.exp(logits - shift).sum(dtype=np.float64)))
    best = best_ids(logits, count).tolist() if count else []
    return Scores(_logprob(logits, token, shift), [(one, _logprob(logits, one, shift)) for one in best])


def _logprob(logits: Logits, token: int, shift: float) -> float:
    return max(float(logits[token]) - shift, MIN_LOGPROB)


MIN_TEMPERATURE = 1e-5
"""Lower temperatures are greedy, as in vLLM: a draw would give the same tokens, but float32 overflows."""


class Sampler:
    """The sampling state of one request.

    Args:
        sampling: the request's parameters.
        prompt_ids: int [n]; the repetition penalty counts them.
        vocab_size: length of a row of logits.
        stop_ids: the tokens that end the answer, which min_tokens bans at first.
    """

    def __init__(
        self, sampling: Sampling, prompt_ids: list[int], vocab_size: int, stop_ids: Sequence[int] = ()
    ) -> None:
        self._sampling = sampling
        self._greedy = sampling.temperature < MIN_TEMPERATURE
        self._random = np.random.Generator(np.random.PCG64(sampling.seed))
        self._processors = processors_for(Setup(sampling, prompt_ids, list(stop_ids), vocab_size))
        self._truncations = truncations_for(sampling)

    @property
    def takes_best(self) -> bool:
        """Whether the choice is simply the largest logit, which can be computed for a whole batch at once."""
        return self._greedy and not self._processors

    def choose(self, logits: Logits, allowed: NDArray[np.intp] | None = None) -> int:
        """Choose the next token id from logits float32 [vocab], which are not modified. Raises like `check_best`.

        Args:
            allowed: the ids to choose from, ascending; None allows all.
        """
        for processor in self._processors:
            logits = processor.apply(logits)
        if allowed is not None:
            logits = logits[allowed]
        best = int(logits.argmax())
        check_best(logits, best)
        token = best if self._greedy else self._draw(logits)
        if allowed is not None:
            token = int(allowed[token])
        self.observe(token)
        return token

    def observe(self, token: int) -> None:
        """Count a token of the answer."""
        for processor in self._processors:
            processor.observe(token)

    def _draw(self, logits: Logits) -> int:
        number = self._random.random()
        candidates = Candidates(logits, self._sampling.temperature)
        for truncation in self._truncations:
            candidates = truncation.apply(candidates, self._sampling)
        edges = candidates.weights().cumsum()
        index = int(np.searchsorted(edges, number * edges[-1], side="right"))
        return candidates.token(min(index, len(edges) - 1))


def is_reproducible(sampling: Sampling) -> bool:
    """Whether the same request must give the same answer again: it is greedy or has a seed."""
    return sampling.seed is not None or sampling.temperature < MIN_TEMPERATURE


def check_best(logits: Logits, best: int) -> None:
    """Raise EngineFailed if logits [vocab], whose argmax is `best`, contain NaN or infinity.

    argmax prefers NaN to any number, so checking this one logit finds NaN and infinity anywhere. Minus infinity is
    allowed for single tokens.
    """
    if not np.isfinite(logits[best]):
        raise EngineFailed(
            "The model computed a logit that is not a finite number. Its weights are probably damaged: download them "
            "again."
        )
