"""What runs inside an engine process: plain synchronous code that advances all requests by one step."""

from typing import Protocol

from fireside.engine.types import EngineInfo, EngineStats, GenerationRequest, Token
from fireside.errors import FiresideError

Outcome = Token | FiresideError
"""A generation's next token, or why it failed: then the runner has forgotten it."""


class Runner(Protocol):
    """Owns a loaded model; what an engine implements. Called from one thread only, that of `fireside.engine.host`.

    Requests that come here were admitted: they fit the context, there are at most `max_num_seqs` of them, and none asks
    for what the engine's type says that it lacks.
    """

    @property
    def info(self) -> EngineInfo:
        """What was loaded. Its context length and `max_num_seqs` are what admission goes by."""
        ...

    @property
    def busy(self) -> bool:
        """Whether `step` has anything to do."""
        ...

    def submit(self, request_id: int, request: GenerationRequest) -> None:
        """Queue a generation, quickly: what takes long (a grammar, an adapter) is done beside the steps.

        Whatever it raises fails this generation alone, which is then forgotten.
        """
        ...

    def cancel(self, request_id: int) -> None:
        """Forget a generation, wherever it is; nothing more comes of it. Unknown ids are no error."""
        ...

    def step(self) -> list[tuple[int, Outcome]]:
        """Advance; return what came of it by request_id, in order, nothing when this step only prefilled.

        It should take a fraction of a second: between two steps, requests join and leave. What it raises ends the
        process, and with it all generations; what concerns one of them is an outcome.
        """
        ...

    def stats(self) -> EngineStats:
        """Counters since the start; the process adds its memory."""
        ...
