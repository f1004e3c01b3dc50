"""What every engine is asked to do, and what is noted of each turn."""

from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from bench.memory import Memory


class BenchError(Exception):
    """The benchmark cannot go on; the message says what to do."""


class Unavailable(BenchError):
    """A peer cannot be had, or failed; the table says so and the others go on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """One turn of one engine.

    Args:
        prefill_tokens: prompt length for the prefill speed.
        batches: numbers of streams that decode together.
        prompt_tokens: prompt length of each of those streams.
        decode_tokens: steps that are timed per batch.
        context_length: what each engine is told to be ready for, prompt and answer together.
        threads: arithmetic threads; what the machine has cores.
    """

    prefill_tokens: int = 512
    batches: tuple[int, ...] = (1, 4, 8, 16)
    prompt_tokens: int = 32
    decode_tokens: int = 24
    context_length: int = 4096
    threads: int


@dataclass(slots=True)
class Turn:
    """What one engine did in one round: seconds, tokens per second, bytes. None or missing was not measured."""

    load: float | None = None
    cold_load: float | None = None
    prefill: float | None = None
    decode: dict[int, float] = field(default_factory=dict)
    seeded: float | None = None
    memory: Memory | None = None
    cold_memory: Memory | None = None


Work = TypeVar("Work", contravariant=True)
Done = TypeVar("Done", covariant=True)


class Contender(Protocol[Work, Done]):
    """Somebody that takes turns at some work."""

    @property
    def name(self) -> str: ...

    def prepare(self) -> None:
        """Make its environment and its weights, where they are not there yet. Raises Unavailable."""
        ...

    def take_turn(self, workload: Work, first: bool) -> Done:
        """Load, measure and end. `first` is true in the first round. Raises Unavailable when it fails."""
        ...
