"""The interface of every engine for the rest of Fireside."""

from collections.abc import AsyncGenerator, Callable
from typing import Protocol

from fireside.engine.types import EngineInfo, EngineStats, GenerationRequest, Token

Progress = Callable[[str, int, int], None]
"""Called while an engine loads, with the phase in words, done and total (in the phase's own unit; 0 if unknown)."""


class Engine(Protocol):
    """Turns requests into tokens. Many tasks of one event loop may call it concurrently."""

    async def start(self, progress: Progress | None = None) -> EngineInfo:
        """Load the model. Raises a leaf of ModelError for weights that cannot run, otherwise EngineFailed."""
        ...

    def generate(self, request: GenerationRequest) -> AsyncGenerator[Token, None]:
        """Yield the answer's tokens as they are generated; closing the iterator cancels the request within one step.

        Requests are not checked here: `Admission` decides for every engine whether and when a request may run. Requests
        beyond `max_num_seqs` wait in order of arrival.

        Raises, from the first or a later step: BadGrammar, ConstraintNotMet, EngineLost, EngineFailed.
        """
        ...

    async def stats(self) -> EngineStats:
        """The engine's counters since its start."""
        ...

    async def close(self) -> None:
        """Stop the engine and free all its memory. Running requests raise EngineLost."""
        ...
