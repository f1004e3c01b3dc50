"""Rounds: everybody takes a turn, then everybody again (A B C A B C), so that the machine's drift touches all alike."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from bench.memory import Memory
from bench.rates import median, median_ratio
from bench.workload import Contender, Turn, Unavailable

T = TypeVar("T")
W = TypeVar("W")
Value = Callable[[T], float | None]
Row = tuple[str, Value[T], bool]
"""A table's row: title, value (seconds, GB, tokens per second), and whether a ratio says anything."""


@dataclass(slots=True)
class Results(Generic[T]):
    """All turns, by contender and round; and why somebody could not take part."""

    turns: dict[str, dict[int, T]] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)

    def series(self, name: str, value: Value[T]) -> dict[int, float | None]:
        """One value of one contender, by round."""
        return {number: value(turn) for number, turn in self.turns.get(name, {}).items()}

    def median(self, name: str, value: Value[T]) -> float | None:
        return median(self.series(name, value).values())

    def ratio(self, name: str, other: str, value: Value[T]) -> float | None:
        """How many times `other`'s value `name`'s is: median of the rounds' ratios."""
        return median_ratio(self.series(name, value), self.series(other, value))


def run_rounds(contenders: Sequence[Contender[W, T]], workload: W, rounds: int) -> Results[T]:
    """Prepare everybody, then let them take turns. Those that fail are left out of later rounds."""
    results: Results[T] = Results()
    for contender in contenders:
        try:
            contender.prepare()
        except Unavailable as error:
            _leave_out(results, contender, error)
    for number in range(rounds):
        for contender in contenders:
            if contender.name in results.absent:
                continue
            print(f"Round {number + 1} of {rounds}: {contender.name} …", file=sys.stderr, flush=True)
            try:
                turn = contender.take_turn(workload, first=number == 0)
            except Unavailable as error:
                _leave_out(results, contender, error)
            else:
                results.turns.setdefault(contender.name, {})[number] = turn
    return results


def _leave_out(results: Results[T], contender: Contender[W, T], error: Unavailable) -> None:
    print(f"{contender.name} is left out: {error}", file=sys.stderr)
    results.absent[contender.name] = str(error)


def engine_rows(batches: Sequence[int], prefill_tokens: int) -> list[Row[Turn]]:
    """What is told of the engines."""

    def gigabytes(pick: Callable[[Memory], int], memory: Memory | None) -> float | None:
        return pick(memory) / 1e9 if memory else None

    def decode(batch: int) -> Value[Turn]:
        return lambda turn: turn.decode.get(batch)

    return [
        ("load, cold (s)", lambda turn: turn.cold_load, False),
        ("load (s)", lambda turn: turn.load, False),
        ("peak memory, cold load (GB)", lambda turn: gigabytes(lambda m: m.resident, turn.cold_memory), False),
        ("  of it anonymous (GB)", lambda turn: gigabytes(lambda m: m.anonymous, turn.cold_memory), False),
        ("peak memory (GB)", lambda turn: gigabytes(lambda m: m.resident, turn.memory), False),
        ("  of it anonymous (GB)", lambda turn: gigabytes(lambda m: m.anonymous, turn.memory), False),
        (f"prefill {prefill_tokens} (tokens/s)", lambda turn: turn.prefill, True),
        *((f"decode, batch {batch} (tokens/s)", decode(batch), True) for batch in batches),
        ("decode, batch 1, with a seed (tokens/s)", lambda turn: turn.seeded, False),
    ]
