"""Logits processors, which change single logits before a token is chosen: one class per sampling parameter or pair.

To add one: a field of `Sampling`, a class here, an entry in `PROCESSORS`.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fireside.engine.types import Sampling

Logits = NDArray[np.float32]

BANNED = np.float32(-1e9)
"""The logit of a banned token. It is finite, so that the token can be chosen if a grammar allows no other."""

MIN_PENALTY = 0.01
"""Lower repetition penalties act like this one, which already leaves only repetitions; below it, float32 overflows."""


@dataclass(frozen=True, slots=True)
class Setup:
    """The arguments of processors' constructors.

    Args:
        sampling: the request's parameters.
        prompt_ids: the prompt's tokens.
        stop_ids: the tokens that end the answer.
        vocab_size: length of a row of logits.
    """

    sampling: Sampling
    prompt_ids: list[int]
    stop_ids: list[int]
    vocab_size: int


class LogitsProcessor(Protocol):
    """One change of logits. Created only for requests that ask for it."""

    def __init__(self, setup: Setup) -> None: ...

    @staticmethod
    def wanted(sampling: Sampling) -> bool:
        """Whether the request's parameters ask for it."""
        ...

    def apply(self, logits: Logits) -> Logits:
        """Return the changed logits, float32 [vocab]; the row passed in is not modified."""
        ...

    def observe(self, token: int) -> None:
        """Count a token of the answer."""
        ...


class AllowedIds:
    """vLLM's allowed_token_ids: allows no other tokens."""

    def __init__(self, setup: Setup) -> None:
        self._ids = np.array(setup.sampling.allowed_ids, dtype=np.intp)

    @staticmethod
    def wanted(sampling: Sampling) -> bool:
        return bool(sampling.allowed_ids)

    def apply(self, logits: Logits) -> Logits:
        left = np.full_like(logits, BANNED)
        left[self._ids] = logits[self._ids]
        return left

    def observe(self, token: int) -> None:
        pass


class LogitBias:
    """OpenAI's logit_bias: adds to the logits of single tokens."""

    def __init__(self, setup: Setup) -> None:
        bias = setup.sampling.logit_bias
        self._ids = np.array(list(bias), dtype=np.intp)
        self._values = np.array(list(bias.values()), dtype=np.float32)

    @staticmethod
    def wanted(sampling: Sampling) -> bool:
        return bool(sampling.logit_bias)

    def apply(self, logits: Logits) -> Logits:
        biased = logits.copy()
        biased[self._ids] += self._values
        return biased

    def observe(self, token: int) -> None:
        pass


class MinTokens:
    """vLLM's min_tokens: bans stop tokens until the answer has that many tokens."""

    def __init__(self, setup: Setup) -> None:
        self._left = setup.sampling.min_tokens
        self._stop_ids = np.array([token for token in setup.stop_ids if token < setup.vocab_size], dtype=np.intp)

    @staticmethod
    def wanted(sampling: Sampling) -> bool:
        return sampling.min_tokens > 0

    def apply(self, logits: Logits) -> Logits:
        if self._left <= 0:
            return logits
        held = logits.copy()
        held[self._stop_ids] = BANNED
        return held

    def observe(self, token: int) -> None:
        self._left -= 1


class RepetitionPenalty:
    """CTRL's penalty (Keskar et al. 2019, section 4.1) for tokens in the prompt and answer, sign-aware as in
    transformers."""

    def __init__(self, setup: Setup) -> None:
        self._penalty = np.float32(max(setup.sampling.repetition_penalty, MIN_PENALTY))
        self._seen = np.zeros(setup.vocab_size, dtype=np.bool_)
        self._seen[setup.prompt_ids] = True

    @staticmethod
    def wanted(sampling: Sampling) -> bool:
        return sampling.repetition_penalty not in (0.0, 1.0)

    def apply(self, logits: Logits) -> Logits:
        punished = np.where(logits > 0, logits / self._penalty, logits * self._penalty)
        return np.where(self._seen, punished, logits)

    def observe(self, token: int) -> None:
        self._seen[token] = True


class CountPenalties:
    """OpenAI's frequency and presence penalties for tokens in the answer."""

    def __init__(self, setup: Setup) -> None:
        self._frequency = np.float32(setup.sampling.frequency_penalty)
        self._presence = np.float32(setup.sampling.presence_penalty)
        self._counts = np.zeros(setup.vocab_size, dtype=np.float32)

    @staticmethod
    def wanted(sampling: Sampling) -> bool:
        return bool(sampling.frequency_penalty or sampling.presence_penalty)

    def apply(self, logits: Logits) -> Logits:
        return logits - self._frequency * self._counts - self._presence * (self._counts > 0)

    def observe(self, token: int) -> None:
        self._counts[token] += 1


PROCESSORS: tuple[type[LogitsProcessor], ...] = (AllowedIds, LogitBias, MinTokens, RepetitionPenalty, CountPenalties)
"""All processors, in vLLM's order."""


def processors_for(setup: Setup) -> list[LogitsProcessor]:
    """The processors that a request's parameters ask for, in order."""
    return [processor(setup) for processor in PROCESSORS if processor.wanted(setup.sampling)]
