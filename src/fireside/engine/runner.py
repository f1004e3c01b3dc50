"""The interface of the code inside an engine process: synchronous code that advances all requests by one step."""

from typing import Protocol

from fireside.engine.types import EngineInfo, EngineStats, GenerationRequest, Token
from fireside.errors import FiresideError

Outcome = Token | FiresideError
"""A generation's next token, or the error with which it failed; the runner has then forgotten it."""


class Runner(Protocol):
    """A loaded model; the interface that an engine implements. Called only from the thread of `fireside.engine.host`.

    The requests have been admitted: they fit the context, there are at most `max_num_seqs` of them, and none asks for a
    feature that the engine's type lacks.
    """

    @property
    def info(self) -> EngineInfo:
        """The loaded model's limits. Admission uses its context length and `max_num_seqs`."""
        ...

    @property
    def busy(self) -> bool:
        """Whether `step` has anything to do."""
        ...

    def submit(self, request_id: int, request: GenerationRequest) -> None:
        """Queue a generation and return at once: slow work (a grammar, an adapter) is done in parallel with steps.

        Any exception fails only this generation, which is then forgotten.
        """
        ...

    def cancel(self, request_id: int) -> None:
        """Forget a generation in any state; it has no more outcomes. Unknown ids are ignored."""
        ...

    def step(self) -> list[tuple[int, Outcome]]:
        """Advance all generations; return their outcomes by request_id, in order, none if this step only prefilled.

        It should take a fraction of a second: requests join and leave between steps. An exception ends the process and
        all generations; an error of a single generation is an outcome.
        """
        ...

    def stats(self) -> EngineStats:
        """The counters since start; the process adds its memory."""
        ...
