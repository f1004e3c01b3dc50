"""The echo engine: deterministic, without weights, for users' CI and for our tests.

It answers with the prompt's own tokens. Without a seed, or at temperature 0, they come back in order; with a seed,
words come back in an order that the seed alone decides. It honours `max_tokens`, stop tokens and a settable speed per
request.
"""

import random
import time
from dataclasses import dataclass

from fireside.engine.messages import EngineOptions
from fireside.engine.runner import Outcome
from fireside.engine.types import EngineInfo, EngineStats, GenerationRequest, Token

SPACE = 32
LONGEST_NAP = 0.02


@dataclass(slots=True)
class _Run:
    """`due` is when its next token is; None while it waits for a slot."""

    answer: list[int]
    request: GenerationRequest
    made: int = 0
    due: float | None = None


def answer_ids(request: GenerationRequest) -> list[int]:
    """The whole answer, before `max_tokens` cuts it, without the stop token."""
    ids = [token for token in request.prompt_ids if token < 256]
    sampling = request.sampling
    if sampling.seed is None or sampling.temperature == 0:
        return ids
    words = bytes(ids).split(b" ")
    random.Random(sampling.seed).shuffle(words)  # noqa: S311 - this is no secret
    return list(b" ".join(words))


class EchoRunner:
    """Implements `fireside.engine.runner.Runner` on byte tokens (ids 0 to 255; others are control tokens)."""

    def __init__(self, options: EngineOptions) -> None:
        self._interval = 1 / options.tokens_per_second if options.tokens_per_second else 0.0
        self._slots = options.slots
        self._info = EngineInfo(context_length=options.context_length, slots=options.slots, load_seconds=0.0)
        self._runs: dict[int, _Run] = {}
        self._prompt_tokens = 0
        self._generated_tokens = 0
        self._steps = 0

    @property
    def info(self) -> EngineInfo:
        return self._info

    @property
    def busy(self) -> bool:
        return bool(self._runs)

    def submit(self, number: int, request: GenerationRequest) -> None:
        self._prompt_tokens += len(request.prompt_ids)
        self._runs[number] = _Run(answer_ids(request), request)

    def cancel(self, number: int) -> None:
        self._runs.pop(number, None)

    def step(self) -> list[tuple[int, Outcome]]:
        running = list(self._runs.items())[: self._slots]
        start = time.monotonic() + self._interval
        due = {number: start if run.due is None else run.due for number, run in running}
        pause = min(due.values()) - time.monotonic()
        if pause > 0:
            time.sleep(min(pause, LONGEST_NAP))
        now = time.monotonic()
        self._steps += 1
        made: list[tuple[int, Outcome]] = []
        for number, run in running:
            run.due = due[number]
            if run.due <= now:
                run.due += self._interval
                made.append((number, self._next_token(number, run)))
        return made

    def _next_token(self, number: int, run: _Run) -> Token:
        stop = run.request.stop_ids[0] if run.request.stop_ids else 0
        if run.made == len(run.answer):
            token = Token(stop, "stop")
        else:
            last = run.made + 1 == run.request.max_tokens
            token = Token(run.answer[run.made], "length" if last else None)
            self._generated_tokens += 1
        run.made += 1
        if token.finish_reason:
            del self._runs[number]
        return token

    def stats(self) -> EngineStats:
        return EngineStats(
            running=min(len(self._runs), self._slots),
            waiting=max(0, len(self._runs) - self._slots),
            prompt_tokens=self._prompt_tokens,
            generated_tokens=self._generated_tokens,
            decode_steps=self._steps,
        )
