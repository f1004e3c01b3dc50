"""Whether a conversation is slower because others came before it: after a long chat, and in an engine just loaded."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from rich.table import Table

from bench.fireside_engine import SAMPLING, SEEDED, random_prompt
from bench.http_endpoints import LlamaServer, LlamaSession
from bench.report import spread, spread_table
from bench.rounds import Results
from bench.stepping import Stepper, open_stepper, seconds_of
from bench.workload import Unavailable
from fireside.engine.onnx.options import OnnxOptions
from fireside.engine.types import Sampling

BLOCK = 10
"""Steps that one engine is timed for before it is the other's turn."""

MAX_NUM_SEQS = 16
"""Fireside's default; llama.cpp's server gets as many slots."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationWork:
    """One turn.

    Args:
        chat_tokens: prompt and answer of the chat that comes first.
        prompt_tokens: prompt of each conversation that follows.
        answer_tokens: its answer, and that of the chat.
        last: the last conversation's number; the chat is the first.
        context_length: of prompt and answer, as each engine is told.
        threads: arithmetic threads.
    """

    chat_tokens: int = 3000
    prompt_tokens: int = 100
    answer_tokens: int = 100
    last: int = 4
    context_length: int = 4096
    threads: int

    def chat_prompt(self) -> list[int]:
        """What the chat consists of before its last answer."""
        return random_prompt(self.chat_tokens - self.answer_tokens)


class ConversationKey(NamedTuple):
    """Which conversation of an engine (2 is the first after the chat), and whether its answer has a seed."""

    number: int
    seeded: bool


class StepPair(NamedTuple):
    """Seconds of a step of the same conversation, timed one just after the other."""

    fresh: float
    later: float


@dataclass(slots=True)
class ConversationTurn:
    """What was timed of each conversation."""

    pairs: dict[ConversationKey, list[StepPair]] = field(default_factory=dict)


class FiresideConversations:
    """Fireside's engine, stepped in this process. See `bench.workload.Contender`.

    The two engines take turns every BLOCK steps, so that both meet the same load of the machine.
    """

    def __init__(self, options: OnnxOptions) -> None:
        self.name = "Fireside"
        self._options = options

    def prepare(self) -> None:
        pass

    def take_turn(self, workload: ConversationWork, first: bool) -> ConversationTurn:
        turn = ConversationTurn()
        for sampling in (SAMPLING, SEEDED):
            with open_stepper(self._options) as used:
                used.submit(workload.chat_prompt(), workload.answer_tokens, sampling)
                used.drain()
                for number in range(2, workload.last + 1):
                    key = ConversationKey(number, sampling.seed is not None)
                    with open_stepper(self._options) as fresh:
                        turn.pairs[key] = list(_step_pairs(fresh, used, workload, sampling))
        return turn


def _step_pairs(fresh: Stepper, later: Stepper, workload: ConversationWork, sampling: Sampling) -> Iterator[StepPair]:
    """The same conversation in both, block by block; who goes first alternates."""
    prompt = random_prompt(workload.prompt_tokens)
    for stepper in (fresh, later):
        stepper.until_token(stepper.submit(prompt, workload.answer_tokens, sampling))
    for block in range((workload.answer_tokens - 1) // BLOCK):
        if block % 2:
            second = seconds_of(later, BLOCK)
            yield StepPair(seconds_of(fresh, BLOCK), second)
        else:
            yield StepPair(seconds_of(fresh, BLOCK), seconds_of(later, BLOCK))
    fresh.drain()
    later.drain()


class LlamaConversations:
    """llama.cpp's server with the caches that it has unless told otherwise; whole conversations take turns."""

    def __init__(self, name: str, work: Path, program: Path, model: Path) -> None:
        self.name = name
        self._paths = (work, program, model)

    def prepare(self) -> None:
        pass

    def take_turn(self, workload: ConversationWork, first: bool) -> ConversationTurn:
        return asyncio.run(self._take_turn(workload, first))

    async def _take_turn(self, workload: ConversationWork, first: bool) -> ConversationTurn:
        turn = ConversationTurn()
        try:
            async with self._server("used", workload).open() as used:
                await used.ask(workload.chat_prompt(), workload.answer_tokens)
                for number in range(2, workload.last + 1):
                    async with self._server("fresh", workload).open() as fresh:
                        prompt = random_prompt(workload.prompt_tokens)
                        order = [fresh, used] if (number % 2 == 0) == first else [used, fresh]
                        seconds = {id(one): await _seconds_per_token(one, prompt, workload) for one in order}
                        pair = StepPair(seconds[id(fresh)], seconds[id(used)])
                        turn.pairs[ConversationKey(number, False)] = [pair]
        except OSError as error:
            raise Unavailable(str(error)) from error
        return turn

    def _server(self, role: str, workload: ConversationWork) -> LlamaServer:
        size = (MAX_NUM_SEQS, workload.context_length, workload.threads)
        return LlamaServer(*self._paths, *size, users_caches=True, log_name=f"llama-server-{role}")


async def _seconds_per_token(session: LlamaSession, prompt: list[int], workload: ConversationWork) -> float:
    answer = await session.ask(prompt, workload.answer_tokens)
    return (answer.ended - answer.first) / (answer.tokens - 1)


def conversation_table(title: str, results: Results[ConversationTurn], names: Sequence[str]) -> Table:
    """A row for each contender and conversation."""
    table = spread_table(
        title,
        ("engine", "conversation", "seed", "fresh (ms/step)", "after the chat (ms/step)", "after ÷ fresh", "n"),
        results.absent,
    )
    for name in names:
        for key, pairs in _joined(results.turns.get(name, {})).items():
            table.add_row(
                name,
                str(key.number),
                "yes" if key.seeded else "no",
                spread(1000 * pair.fresh for pair in pairs),
                spread(1000 * pair.later for pair in pairs),
                spread(pair.later / pair.fresh for pair in pairs),
                str(len(pairs)),
            )
    return table


def _joined(turns: Mapping[int, ConversationTurn]) -> dict[ConversationKey, list[StepPair]]:
    joined: dict[ConversationKey, list[StepPair]] = {}
    for turn in turns.values():
        for key, pairs in turn.pairs.items():
            joined.setdefault(key, []).extend(pairs)
    return joined
