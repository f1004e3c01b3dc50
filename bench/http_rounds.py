"""The HTTP part's rounds: all servers are up, and asked one after the other, for each number of streams."""

import asyncio
import sys
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from bench.http_client import Answer
from bench.http_endpoints import Endpoint, Session
from bench.rates import median, median_ratio, overhead_percent
from bench.workload import Unavailable
from fireside.errors import FiresideError

Key = tuple[str, int]


@dataclass(slots=True)
class HttpResults:
    """By endpoint and streams, then by round: tokens per second of all streams together, and the first token's wait."""

    streams: tuple[int, ...]
    rates: dict[Key, dict[int, float | None]] = field(default_factory=dict)
    waits: dict[Key, dict[int, float | None]] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)

    def rate(self, name: str, streams: int) -> float | None:
        return median(self.rates.get((name, streams), {}).values())

    def first_token(self, name: str, streams: int) -> float | None:
        return median(self.waits.get((name, streams), {}).values())

    def ratio(self, name: str, other: str, streams: int) -> float | None:
        return median_ratio(self.rates.get((name, streams), {}), self.rates.get((other, streams), {}))

    def overhead(self, alone: str, through: str, streams: int) -> float | None:
        """Percent by which `through` is slower than `alone`."""
        return overhead_percent(self.rates.get((alone, streams), {}), self.rates.get((through, streams), {}))


async def run_http(
    endpoints: Sequence[Endpoint],
    streams: Sequence[int],
    tokens: int,
    rounds: int,
    make_prompt: Callable[[int], str],
) -> HttpResults:
    """Start all endpoints, then ask each in turn. Those that fail are left out of what follows.

    Args:
        make_prompt: a text for each number that begins with it, so that no cached prefix helps.
    """
    results = HttpResults(tuple(streams))
    async with AsyncExitStack() as stack:
        sessions: dict[str, Session] = {}
        for endpoint in endpoints:
            try:
                session = await stack.enter_async_context(endpoint.open())
                # Untimed: what is done once for each number of streams.
                await _ask_all(session, [make_prompt(-number) for number in range(1, max(streams) + 1)], 4)
                sessions[endpoint.name] = session
            except (OSError, Unavailable, FiresideError) as error:
                _leave_out(results, endpoint.name, error)
        for number in range(rounds):
            for count in streams:
                print(f"Round {number + 1} of {rounds}: {count} streams …", file=sys.stderr, flush=True)
                prompts = [make_prompt(number * 1000 + count * 10 + stream) for stream in range(count)]
                for name in [name for name in sessions if name not in results.absent]:
                    try:
                        answers = await _ask_all(sessions[name], prompts, tokens)
                    except (OSError, Unavailable, FiresideError) as error:
                        _leave_out(results, name, error)
                        continue
                    _note(results, name, number, answers, tokens)
    return results


async def _ask_all(session: Session, prompts: Sequence[str], tokens: int) -> list[Answer]:
    return list(await asyncio.gather(*(session.ask(text, tokens) for text in prompts)))


def counting_prompt(number: int) -> str:
    """A text that a model goes on with for long."""
    return ", ".join(str(number + step) for step in range(4)) + ","


def throughput(answers: Sequence[Answer]) -> float:
    """Tokens per second of all answers together, from the first question to the last token."""
    seconds = max(answer.ended for answer in answers) - min(answer.began for answer in answers)
    return sum(answer.tokens for answer in answers) / seconds


def _note(results: HttpResults, name: str, number: int, answers: Sequence[Answer], tokens: int) -> None:
    short = sum(answer.tokens != tokens for answer in answers)
    if short:
        print(f"{name}: {short} of {len(answers)} answers do not have {tokens} tokens.", file=sys.stderr)
    key = (name, len(answers))
    results.rates.setdefault(key, {})[number] = throughput(answers)
    results.waits.setdefault(key, {})[number] = median(answer.first - answer.began for answer in answers)


def _leave_out(results: HttpResults, name: str, error: Exception) -> None:
    print(f"{name} is left out: {error}", file=sys.stderr)
    results.absent[name] = str(error)
