"""How long a short prompt waits behind a long one, and a long one beside short ones: in steps and in milliseconds."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from rich.table import Table

from bench.fireside_engine import random_prompt
from bench.http_endpoints import LlamaServer, LlamaSession
from bench.report import spread, spread_table
from bench.rounds import Results
from bench.stepping import Stepper, open_stepper
from bench.workload import Unavailable
from fireside.engine.onnx.options import OnnxOptions

SHORT_TOKENS = 10
FLOW = 4
"""Short requests that there are at any time beside the long one: when one has its token, the next is sent."""

MAX_NUM_SEQS = 8
STREAM_PROMPT, STREAM_TOKENS = 16, 2000
SPARE = 64
"""Positions beyond the longest prompt."""

_HEAD_START = 0.1
"""Seconds by which llama.cpp's server gets the long prompt earlier; Fireside has it one step earlier."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingWork:
    """One turn.

    Args:
        long_prompts: lengths in tokens.
        streams: how many answers run meanwhile.
        threads: arithmetic threads.
    """

    long_prompts: tuple[int, ...] = (1500, 8000)
    streams: tuple[int, ...] = (0, 1, 4)
    stream_tokens: int = STREAM_TOKENS
    threads: int

    @property
    def context_length(self) -> int:
        return max(max(self.long_prompts), STREAM_PROMPT + self.stream_tokens) + SPARE


class WaitingKey(NamedTuple):
    """Whose first token is waited for.

    Args:
        long: tokens of the long prompt.
        beside: for a short prompt, the answers that run; for a long one, the short requests there are at any time.
        of_short: whether it is the short prompt's first token.
    """

    long: int
    beside: int
    of_short: bool


class Wait(NamedTuple):
    """Until the first token. Steps cannot be counted from outside of llama.cpp's server."""

    seconds: float
    steps: int | None = None


@dataclass(slots=True)
class WaitingTurn:
    """What each waited in this round."""

    waits: dict[WaitingKey, Wait] = field(default_factory=dict)


class FiresideWaiting:
    """Fireside's engine, stepped in this process. See `bench.workload.Contender`."""

    def __init__(self, options: OnnxOptions) -> None:
        self.name = "Fireside"
        self._options = options

    def prepare(self) -> None:
        pass

    def take_turn(self, workload: WaitingWork, first: bool) -> WaitingTurn:
        turn = WaitingTurn()
        with open_stepper(self._options) as stepper:
            for long in workload.long_prompts:
                for streams in workload.streams:
                    turn.waits[WaitingKey(long, streams, True)] = _short_behind(
                        stepper, long, streams, workload.stream_tokens
                    )
                for flow in (0, FLOW):
                    turn.waits[WaitingKey(long, flow, False)] = _long_beside(stepper, long, flow)
        return turn


def _short_behind(stepper: Stepper, long: int, streams: int, stream_tokens: int) -> Wait:
    running = [stepper.submit(random_prompt(STREAM_PROMPT), stream_tokens) for _ in range(streams)]
    for request_id in running:
        begun = stepper.step()
        while request_id not in begun:
            begun = stepper.step()
    before = stepper.submit(random_prompt(long), 2)
    stepper.step()
    began, steps = time.perf_counter(), stepper.steps
    short = stepper.submit(random_prompt(SHORT_TOKENS), 2)
    stepper.until_token(short)
    wait = Wait(time.perf_counter() - began, stepper.steps - steps)
    stepper.cancel([*running, before, short])
    return wait


def _long_beside(stepper: Stepper, long: int, flow: int) -> Wait:
    """The long prompt comes when the short ones have been flowing for a step."""
    shorts = {stepper.submit(random_prompt(SHORT_TOKENS), 1) for _ in range(flow)}
    target = 0
    began, steps = time.perf_counter(), stepper.steps
    while True:
        got = stepper.step() if target or flow else []
        if not target:
            began, steps = time.perf_counter(), stepper.steps
            target = stepper.submit(random_prompt(long), 2)
        elif target in got:
            break
        for short in shorts & set(got):
            shorts.remove(short)
            shorts.add(stepper.submit(random_prompt(SHORT_TOKENS), 1))
    wait = Wait(time.perf_counter() - began, stepper.steps - steps)
    stepper.cancel([*shorts, target])
    return wait


class LlamaWaiting:
    """llama.cpp's server with the caches that it has unless told otherwise."""

    def __init__(self, name: str, work: Path, program: Path, model: Path) -> None:
        self.name = name
        self._paths = (work, program, model)

    def prepare(self) -> None:
        pass

    def take_turn(self, workload: WaitingWork, first: bool) -> WaitingTurn:
        return asyncio.run(self._take_turn(workload))

    async def _take_turn(self, workload: WaitingWork) -> WaitingTurn:
        turn = WaitingTurn()
        size = (MAX_NUM_SEQS, workload.context_length, workload.threads)
        try:
            async with LlamaServer(*self._paths, *size, users_caches=True).open() as session:
                for long in workload.long_prompts:
                    for streams in workload.streams:
                        seconds = await _llama_short_behind(session, long, streams, workload.stream_tokens)
                        turn.waits[WaitingKey(long, streams, True)] = Wait(seconds)
                    for flow in (0, FLOW):
                        turn.waits[WaitingKey(long, flow, False)] = Wait(await _llama_long_beside(session, long, flow))
        except OSError as error:
            raise Unavailable(str(error)) from error
        return turn


async def _llama_short_behind(session: LlamaSession, long: int, streams: int, stream_tokens: int) -> float:
    async with _background() as tasks:
        for _ in range(streams):
            begun = asyncio.Event()
            asked = session.ask(random_prompt(STREAM_PROMPT), stream_tokens, on_first=begun.set)
            tasks.append(asyncio.create_task(asked))
            await begun.wait()
        tasks.append(asyncio.create_task(session.ask(random_prompt(long), 2)))
        await asyncio.sleep(_HEAD_START)
        answer = await session.ask(random_prompt(SHORT_TOKENS), 2)
    await session.until_idle()
    return answer.first - answer.began


async def _llama_long_beside(session: LlamaSession, long: int, flow: int) -> float:
    async def flowing() -> None:
        while True:
            await session.ask(random_prompt(SHORT_TOKENS), 1)

    async with _background() as tasks:
        tasks += [asyncio.create_task(flowing()) for _ in range(flow)]
        if flow:
            await asyncio.sleep(_HEAD_START)
        answer = await session.ask(random_prompt(long), 2)
    await session.until_idle()
    return answer.first - answer.began


@asynccontextmanager
async def _background() -> AsyncIterator[list[asyncio.Task[object]]]:
    """Tasks that are cancelled at the end."""
    tasks: list[asyncio.Task[object]] = []
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def short_table(title: str, results: Results[WaitingTurn], names: Sequence[str]) -> Table:
    """First token of the short prompt."""
    return _table(title, ("long prompt (tokens)", "running streams"), results, names, of_short=True)


def long_table(title: str, results: Results[WaitingTurn], names: Sequence[str]) -> Table:
    """First token of the long prompt."""
    return _table(title, ("long prompt (tokens)", "short ones at any time"), results, names, of_short=False)


def _table(
    title: str, given: tuple[str, str], results: Results[WaitingTurn], names: Sequence[str], *, of_short: bool
) -> Table:
    table = spread_table(title, ("engine", *given, "first token (steps)", "first token (ms)", "n"), results.absent)
    for name in names:
        waits: dict[WaitingKey, list[Wait]] = {}
        for turn in results.turns.get(name, {}).values():
            for key, wait in turn.waits.items():
                if key.of_short == of_short:
                    waits.setdefault(key, []).append(wait)
        for key, found in waits.items():
            steps = spread(wait.steps for wait in found if wait.steps is not None)
            milliseconds = spread(1000 * wait.seconds for wait in found)
            table.add_row(name, str(key.long), str(key.beside), steps, milliseconds, str(len(found)))
    return table
