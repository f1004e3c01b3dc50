"""What runs inside an engine process: plain synchronous code that advances all requests by one step."""

from typing import Protocol

from fireside.engine.types import EngineInfo, EngineStats, GenerationRequest, Token
from fireside.errors import FiresideError

Outcome = Token | FiresideError
"""A generation's next token, or why it failed: then the runner has forgotten it."""


class Runner(Protocol):
    """Owns a loaded model. Called from one thread only."""

    @property
    def info(self) -> EngineInfo: ...

    @property
    def busy(self) -> bool:
        """Whether `step` has anything to do."""
        ...

    def submit(self, request_id: int, request: GenerationRequest) -> None:
        """Queue a generation."""
        ...

    def cancel(self, request_id: int) -> None:
        """Forget a generation, wherever it is."""
        ...

    def step(self) -> list[tuple[int, Outcome]]:
        """Advance; return what came of it by request_id, in order, nothing when this step only prefilled."""
        ...

    def stats(self) -> EngineStats: ...
