"""Truncations, which cut the distribution before a token is drawn: one class per sampling parameter.

To add one: a field of `Sampling`, a class here, an entry in `TRUNCATIONS`.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fireside.engine.sampling.processors import Logits
from fireside.engine.types import Sampling

FIRST_CANDIDATES = 256
"""top-p first sorts this many of the most likely tokens, and the whole vocabulary only if they are too few."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """The tokens that may still be drawn.

    Args:
        logits: float32 [n].
        temperature: above 0.
        ids: intp [n], the most likely first; None for the whole vocabulary in order.
    """

    logits: Logits
    temperature: float
    ids: NDArray[np.intp] | None = None

    def weights(self) -> NDArray[np.float64]:
        """Probabilities up to a common factor: exp((logit - max) / temperature)."""
        with np.errstate(over="ignore"):  # far below the best, minus infinity is right: probability 0
            scaled = (self.logits - self.logits.max()) / np.float32(self.temperature)
        weights: NDArray[np.float64] = np.exp(scaled, out=scaled).astype(np.float64)
        return weights

    def best(self, count: int) -> "Candidates":
        """The `count` most likely candidates, most likely first."""
        if self.ids is not None:
            return self.first(count)
        ids = best_ids(self.logits, count)
        return Candidates(self.logits[ids], self.temperature, ids)

    def first(self, count: int) -> "Candidates":
        """The first `count` candidates, which must be sorted."""
        assert self.ids is not None
        return Candidates(self.logits[:count], self.temperature, self.ids[:count])

    def without(self, excluded: NDArray[np.bool_]) -> "Candidates":
        """The same candidates, with probability 0 where `excluded`, bool [n], is true."""
        return Candidates(np.where(excluded, np.float32(-np.inf), self.logits), self.temperature, self.ids)

    def token(self, index: int) -> int:
        """The id of a candidate."""
        return index if self.ids is None else int(self.ids[index])


class Truncation(Protocol):
    """One cut of the distribution. It always leaves at least one candidate that can be drawn."""

    @staticmethod
    def wanted(sampling: Sampling) -> bool:
        """Whether the request's parameters ask for it."""
        ...

    @staticmethod
    def apply(candidates: Candidates, sampling: Sampling) -> Candidates: ...


class MinP:
    """Keeps tokens at least `min_p` times as likely as the most likely one (Nguyen et al. 2024, arXiv 2407.01082)."""

    @staticmethod
    def wanted(sampling: Sampling) -> bool:
        return sampling.min_p > 0

    @staticmethod
    def apply(candidates: Candidates, sampling: Sampling) -> Candidates:
        return candidates.without(candidates.weights() < sampling.min_p)


class TopK:
    """Keeps the `top_k` most likely tokens (Fan et al. 2018, arXiv 1805.04833)."""

    @staticmethod
    def wanted(sampling: Sampling) -> bool:
        return sampling.top_k > 0

    @staticmethod
    def apply(candidates: Candidates, sampling: Sampling) -> Candidates:
        return candidates.best(sampling.top_k)


class TopP:
    """Keeps the most likely tokens that together reach `top_p`: nucleus sampling (Holtzman et al. 2020, arXiv
    1904.09751)."""

    @staticmethod
    def wanted(sampling: Sampling) -> bool:
        return sampling.top_p < 1

    @staticmethod
    def apply(candidates: Candidates, sampling: Sampling) -> Candidates:
        mass = sampling.top_p * candidates.weights().sum()
        nucleus = candidates.best(FIRST_CANDIDATES if candidates.ids is None else len(candidates.ids))
        count = _reaching(nucleus, mass)
        if count > len(nucleus.logits) and candidates.ids is None:
            nucleus = candidates.best(len(candidates.logits))
            count = _reaching(nucleus, mass)
        return nucleus.first(count)


class TypicalP:
    """Keeps the tokens whose information is closest to the distribution's entropy, until together they reach
    `typical_p`: locally typical sampling (Meister et al. 2022, arXiv 2202.00666)."""

    @staticmethod
    def wanted(sampling: Sampling) -> bool:
        return sampling.typical_p < 1

    @staticmethod
    def apply(candidates: Candidates, sampling: Sampling) -> Candidates:
        probabilities = candidates.weights()
        probabilities /= probabilities.sum()
        with np.errstate(divide="ignore"):  # an impossible token has infinite information
            information = -np.log(probabilities)
        entropy = probabilities @ np.where(probabilities > 0, information, 0)
        distance = np.abs(information - entropy)
        order = np.argsort(distance, kind="stable")
        count = int(np.searchsorted(probabilities[order].cumsum(), sampling.typical_p))
        return candidates.without(distance > distance[order[min(count, len(order) - 1)]])


TRUNCATIONS: tuple[type[Truncation], ...] = (MinP, TopK, TopP, TypicalP)
"""All truncations, in vLLM's order; those that vLLM lacks come last."""


def truncations_for(sampling: Sampling) -> list[type[Truncation]]:
    """The truncations that a request's parameters ask for, in order."""
    return [truncation for truncation in TRUNCATIONS if truncation.wanted(sampling)]


def best_ids(logits: Logits, count: int) -> NDArray[np.intp]:
    """Ids of the `count` largest logits, best first; equal logits are ordered by id, independently of the sort."""
    if count >= len(logits):
        return np.argsort(-logits, kind="stable")
    candidates = np.argpartition(logits, -count)[-count:]
    threshold = logits[candidates].min()
    # argpartition breaks ties at the threshold arbitrarily: take all of them, then the lowest ids.
    candidates = np.flatnonzero(logits >= threshold)
    return candidates[np.argsort(-logits[candidates], kind="stable")][:count]


def _reaching(candidates: Candidates, mass: float) -> int:
    """How many of the first candidates reach this mass together; one more than there are if they do not."""
    return int(np.searchsorted(candidates.weights().cumsum(), mass)) + 1
