"""The one interface that every engine has for the rest of Fireside."""

from collections.abc import AsyncGenerator, Callable
from typing import Protocol

from fireside.engine.types import EngineInfo, EngineStats, GenerationRequest, Token

Progress = Callable[[str, int, int], None]
"""Called while an engine loads: phase in words, done, total (in the phase's own unit; 0 where it is not known)."""


class Engine(Protocol):
    """Turns requests into tokens. Safe to call from one event loop, by many tasks at once."""

    async def start(self, progress: Progress | None = None) -> EngineInfo:
        """Load the model. Raises ModelError leaves for weights that cannot run, EngineFailed otherwise."""
        ...

    def generate(self, request: GenerationRequest) -> AsyncGenerator[Token, None]:
        """Yield the answer's tokens as they are made; closing the iterator cancels within one step.

        Whether a request fits, who may come at all, and how many, is not asked here: `Admission` stands in front of
        every engine. Those beyond `max_num_seqs` wait in the order in which they came.

        Raises, from the first or a later step: BadGrammar, ConstraintNotMet, EngineLost, EngineFailed.
        """
        ...

    async def stats(self) -> EngineStats:
        """Counters since start."""
        ...

    async def close(self) -> None:
        """End the engine and give all its memory back. Running requests get EngineLost."""
        ...
