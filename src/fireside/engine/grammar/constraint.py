"""The state of one answer in its grammar."""

import numpy as np
from llguidance import LLMatcher
from numpy.typing import NDArray

from fireside.engine.grammar.faults import stopped
from fireside.errors import ConstraintNotMet

NOT_MET = "JSON Mode couldn't be met"
"""The beginning of the hosted service's message for this error, which its clients look for."""


class Constraint:
    """Tracks an answer token by token and tells which tokens may come next.

    Args:
        matcher: a matcher at the beginning of the answer, used by this object only.
        vocab_size: only tokens below this are allowed.
    """

    def __init__(self, matcher: LLMatcher, vocab_size: int) -> None:
        self._matcher = matcher
        self._vocab_size = vocab_size

    def mask(self) -> NDArray[np.uint8]:
        """A bit per token that says whether it may come next, the lowest bit first; stop tokens if the answer may end.

        Raises ConstraintNotMet if no token may come next or the grammar has become too complex to follow.
        """
        bits = np.frombuffer(self._matcher.compute_bitmask(), dtype=np.uint8)
        if self._matcher.is_error() or not bits.any():
            raise self._stuck()
        return bits

    def allowed(self) -> NDArray[np.intp]:
        """Ids of the tokens that may come next, at least one, ascending. Raises ConstraintNotMet as `mask` does."""
        bits = self.mask()
        ids = np.flatnonzero(np.unpackbits(bits, count=min(self._vocab_size, 8 * len(bits)), bitorder="little"))
        if not len(ids):
            raise self._stuck()
        return ids

    def _stuck(self) -> ConstraintNotMet:
        return ConstraintNotMet(f"{NOT_MET}: this answer cannot continue: {stopped(self._matcher.get_error())}.")

    def accept(self, token: int) -> None:
        """Advance by a token, which must be an allowed one."""
        self._matcher.consume_token(token)

    @property
    def satisfied(self) -> bool:
        """Whether the answer so far fits the grammar."""
        return self._matcher.is_accepting()

    @property
    def closed(self) -> bool:
        """Whether the answer fits the grammar and nothing can be added to it."""
        return self._matcher.is_stopped() and not self._matcher.is_error()

    def cut(self, tokens: int) -> ConstraintNotMet | None:
        """The error of an answer that max_tokens truncates after `tokens` tokens; None if it fits the grammar."""
        if self.satisfied:
            return None
        return ConstraintNotMet(
            f"{NOT_MET}: the answer reached max_tokens ({tokens}) before its JSON, pattern or tool call was complete. "
            "Raise max_tokens, or ask for less."
        )
