"""One answer on its way through a grammar."""

import numpy as np
from llguidance import LLMatcher
from numpy.typing import NDArray

from fireside.engine.grammar.faults import stopped
from fireside.errors import ConstraintNotMet

NOT_MET = "JSON Mode couldn't be met"
"""How the hosted service's message for this begins; its clients look for it."""


class Constraint:
    """Says which tokens may come next, and is told which one came.

    Args:
        matcher: at the beginning of the answer; nobody else's.
        vocab_size: only tokens below this are ever allowed.
    """

    def __init__(self, matcher: LLMatcher, vocab_size: int) -> None:
        self._matcher = matcher
        self._vocab_size = vocab_size

    def allowed(self) -> NDArray[np.intp]:
        """Ids of the tokens that may come next, at least one, ascending; stop tokens where the answer may end.

        Raises ConstraintNotMet when the grammar has become too complex to follow.
        """
        bits = np.frombuffer(self._matcher.compute_bitmask(), dtype=np.uint8)
        ids = np.flatnonzero(np.unpackbits(bits, count=min(self._vocab_size, 8 * len(bits)), bitorder="little"))
        if self._matcher.is_error() or not len(ids):
            raise ConstraintNotMet(f"{NOT_MET}: this answer cannot go on, as {stopped(self._matcher.get_error())}.")
        return ids

    def accept(self, token: int) -> None:
        """Take a token that was allowed."""
        self._matcher.consume_token(token)

    @property
    def satisfied(self) -> bool:
        """Whether the answer so far fits the grammar."""
        return self._matcher.is_accepting()

    @property
    def closed(self) -> bool:
        """Whether the answer fits and nothing could be added to it."""
        return self._matcher.is_stopped() and not self._matcher.is_error()

    def cut(self, tokens: int) -> ConstraintNotMet | None:
        """What is wrong with an answer that ends after so many tokens because it may have no more."""
        if self.satisfied:
            return None
        return ConstraintNotMet(
            f"{NOT_MET}: the answer reached max_tokens ({tokens}) before its JSON, pattern or tool call was complete. "
            "Raise max_tokens, or ask for less."
        )
