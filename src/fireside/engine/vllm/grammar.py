"""Grammars that Fireside compiled, in the form in which vLLM asks for them."""

from typing import Any

import numpy as np

from fireside.engine.grammar.constraint import Constraint
from fireside.errors import FiresideError


class Grammar:
    """One answer's constraint, as vLLM's `StructuredOutputGrammar` (`vllm/v1/structured_output/backend_types.py`).

    Attributes:
        fault: why the answer cannot go on; the runner fails the request.
    """

    def __init__(self, constraint: Constraint, stop_ids: list[int]) -> None:
        self.constraint = constraint
        self.fault: FiresideError | None = None
        self._stop_ids = frozenset(stop_ids)

    def fill_bitmask(self, bitmask: Any, batch_index: int) -> None:
        """Write which tokens may come next into a row of an int32 tensor [n, ceil(vocab / 32)]."""
        row = bitmask[batch_index].numpy().view(np.uint8)
        try:
            bits = self.constraint.mask()
        except FiresideError as error:
            self.fault = error
            row[:] = 0xFF  # vLLM needs some token; it is not used
            return
        row[: len(bits)] = bits[: len(row)]
        row[len(bits) :] = 0

    def accept_tokens(self, request_id: str, tokens: list[int]) -> bool:
        """Take chosen tokens; False would end the request as failed."""
        for token in tokens:
            if self.fault is None and not self.constraint.closed and token not in self._stop_ids:
                self.constraint.accept(token)
        return True

    def validate_tokens(self, tokens: list[int]) -> list[int]:
        """Only for speculative decoding, which is off."""
        return []

    def rollback(self, num_tokens: int) -> None:
        """Only for speculative decoding, which is off."""

    def is_terminated(self) -> bool:
        """Whether vLLM may leave the row alone. Never: the runner ends a closed answer itself."""
        return False

    def reset(self) -> None:
        """Not called for a grammar that belongs to one answer."""
