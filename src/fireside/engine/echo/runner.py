"""The echo engine: deterministic, without weights, for users' CI and for our tests.

It answers with the prompt's own tokens. Without a seed, or at temperature 0, they come back in order; with a seed,
words come back in an order that the seed alone decides. It honours `max_tokens`, `min_tokens`, stop tokens,
`allowed_ids`, biases that force or ban, and a settable speed per request. It is certain of what it says: its own token
has the logprob 0, any other the least there is. So temperature, penalties and the like would change nothing.

Held to a grammar, it says the prompt's next byte where the grammar allows that, and else what makes the answer short:
a prompt that fits comes back as it is, and of any other one as much as fits into the smallest frame.
"""

import random
import time
from collections.abc import Callable, Collection
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fireside.engine.echo import EchoOptions
from fireside.engine.options import TokenTable
from fireside.engine.runner import Outcome
from fireside.engine.types import (
    MIN_LOGPROB,
    EngineInfo,
    EngineStats,
    GenerationRequest,
    Sampling,
    Scores,
    Token,
    pack_scores,
)
from fireside.errors import EngineFailed, FiresideError

if TYPE_CHECKING:
    from fireside.engine.grammar.compiler import GrammarCompiler
    from fireside.engine.grammar.constraint import Constraint

MAX_SLEEP = 0.02
WAITING_NAP = 0.002
VOCAB_SIZE = 258

SIMPLEST_BYTES = b'}]",:' + bytes(range(ord("0"), 256)) + bytes(range(ord("0"))) + b" "
"""Which byte makes JSON short: what ends something first."""

NEWLINE = 10

FORCING_BIAS = 100
"""From here on a logit's bias forces a token, or bans it, as OpenAI has it; a smaller one changes nothing."""


@dataclass(slots=True)
class _Run:
    """`due` is when its next token is; None while it waits for a slot. `said` counts bytes of `answer`."""

    answer: list[int]
    request: GenerationRequest
    compiling: "Future[Constraint] | None" = None
    said: int = 0
    made: int = 0
    due: float | None = None

    @property
    def ready(self) -> bool:
        return self.compiling is None or self.compiling.done()

    @property
    def may_end(self) -> bool:
        return bool(self.request.stop_ids) and self.made >= self.request.sampling.min_tokens

    @property
    def wish(self) -> int | None:
        """What to say next: the answer, and where it must go on after its end, the answer again."""
        if self.said < len(self.answer):
            return self.answer[self.said]
        if self.may_end:
            return None
        return self.answer[self.said % len(self.answer)] if self.answer else ord(" ")


def answer_ids(request: GenerationRequest) -> list[int]:
    """The whole answer, before `max_tokens` cuts it, without the stop token."""
    ids = [token for token in request.prompt_ids if token < 256]
    sampling = request.sampling
    if sampling.seed is None or sampling.temperature == 0:
        return ids
    words = bytes(ids).split(b" ")
    random.Random(sampling.seed).shuffle(words)  # noqa: S311 - this is not a secret
    return list(b" ".join(words))


def shortest_byte(allowed: Collection[int]) -> int:
    """The byte that brings an answer to its end soonest."""
    # Inside a string, where letters may come and no line breaks, a brace would be no end.
    inside = ord("a") in allowed and NEWLINE not in allowed
    order = b'"a' + SIMPLEST_BYTES if inside else SIMPLEST_BYTES
    return next(byte for byte in order if byte in allowed)


class EchoRunner:
    """Implements `fireside.engine.runner.Runner` on byte tokens (ids 0 to 255; others are control tokens).

    Args:
        answer: the ids of a request's whole answer, as `answer_ids` makes them.
    """

    def __init__(self, options: EchoOptions, answer: Callable[[GenerationRequest], list[int]] = answer_ids) -> None:
        self._answer = answer
        self._interval = 1 / options.tokens_per_second if options.tokens_per_second else 0.0
        self._max_num_seqs = options.max_num_seqs
        self._info = EngineInfo(
            context_length=options.context_length, max_num_seqs=options.max_num_seqs, load_seconds=0.0
        )
        self._grammars = None if options.tokens is None else _compiler(options.tokens)
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

    def submit(self, request_id: int, request: GenerationRequest) -> None:
        banned = {token for token, bias in request.sampling.logit_bias.items() if bias <= -FORCING_BIAS}
        answer = [token for token in self._answer(request) if token not in banned]
        self._prompt_tokens += len(request.prompt_ids)
        compiling = None
        if request.grammar is not None:
            if self._grammars is None:
                raise EngineFailed("This engine was not told what its tokens stand for: it can follow no grammar.")
            compiling = self._grammars.compile(request.grammar, VOCAB_SIZE, request.account)
        self._runs[request_id] = _Run(answer, request, compiling)

    def cancel(self, request_id: int) -> None:
        run = self._runs.pop(request_id, None)
        if run is not None and run.compiling is not None:
            run.compiling.cancel()

    def step(self) -> list[tuple[int, Outcome]]:
        running = [(request_id, run) for request_id, run in self._runs.items() if run.ready][: self._max_num_seqs]
        if not running:
            time.sleep(WAITING_NAP)
            return []
        start = time.monotonic() + self._interval
        due = {request_id: start if run.due is None else run.due for request_id, run in running}
        pause = min(due.values()) - time.monotonic()
        if pause > 0:
            time.sleep(min(pause, MAX_SLEEP))
        now = time.monotonic()
        self._steps += 1
        made: list[tuple[int, Outcome]] = []
        for request_id, run in running:
            run.due = due[request_id]
            if run.due <= now:
                run.due += self._interval
                made += [(request_id, outcome) for outcome in self._advance(request_id, run)]
        return made

    def _advance(self, request_id: int, run: _Run) -> list[Outcome]:
        made: list[Outcome]
        try:
            made = self._next(run)
        except FiresideError as error:
            made = [error]
        last = made[-1]
        if not isinstance(last, Token) or last.finish_reason:
            del self._runs[request_id]
        return made

    def _next(self, run: _Run) -> list[Outcome]:
        """The next token, and the end of the answer where it is certain now."""
        request, wish = run.request, run.wish
        constraint = None if run.compiling is None else run.compiling.result()
        stop = request.stop_ids[0] if request.stop_ids else 0
        if constraint is None:
            token = _biased(request.sampling, wish, stop)
        else:
            token = _constrained(constraint, wish, may_end=run.may_end)
        prompt = _prompt_scores(request) if run.made == 0 else b""
        if token is None:
            return [Token(stop, "stop", scores=_scores(request, stop), prompt=prompt)]
        scored = _scores(request, token)
        if token in request.stop_ids and run.may_end:
            return [Token(token, "stop", scores=scored, prompt=prompt)]
        run.said += constraint is None or token == wish
        run.made += 1
        self._generated_tokens += 1
        full = run.made == request.max_tokens
        if constraint is not None:
            constraint.accept(token)
            if constraint.closed:
                return [Token(token, scores=scored, prompt=prompt), Token(stop, "stop")]
            if full and not request.keep_cut and (cut := constraint.cut(request.max_tokens)):
                return [Token(token, scores=scored, prompt=prompt), cut]
        return [Token(token, "length" if full else None, scores=scored, prompt=prompt)]

    def stats(self) -> EngineStats:
        return EngineStats(
            running=min(len(self._runs), self._max_num_seqs),
            waiting=max(0, len(self._runs) - self._max_num_seqs),
            prompt_tokens=self._prompt_tokens,
            generated_tokens=self._generated_tokens,
            decode_steps=self._steps,
        )


def _compiler(tokens: TokenTable) -> "GrammarCompiler":
    # Without grammars, this engine needs no library at all.
    from fireside.engine.grammar.compiler import GrammarCompiler

    return GrammarCompiler(tokens)


def _biased(sampling: Sampling, wish: int | None, stop: int) -> int | None:
    """What to say where a token is forced, or only some may be: the first of these, where the wish is none."""
    allowed = sampling.allowed_ids
    if sampling.logit_bias:
        likeliest = max(sampling.logit_bias, key=sampling.logit_bias.__getitem__)
        if sampling.logit_bias[likeliest] >= FORCING_BIAS and (not allowed or likeliest in allowed):
            return likeliest
    return wish if not allowed or (stop if wish is None else wish) in allowed else allowed[0]


def _constrained(constraint: "Constraint", wish: int | None, *, may_end: bool) -> int | None:
    """The byte to say, None where the answer ends."""
    allowed = {token for token in constraint.allowed().tolist() if token < 256}
    if wish is not None and wish in allowed:
        return wish
    if not allowed or (constraint.satisfied and may_end):
        return None
    return shortest_byte(allowed)


def _scores(request: GenerationRequest, token: int) -> Scores | None:
    """Where they are asked for: the token is certain, and any other as good as impossible."""
    if request.scores is None:
        return None
    others = [other for other in range(request.scores) if other != token]
    best = [(token, 0.0), *((other, MIN_LOGPROB) for other in others)]
    return Scores(0.0, best[: request.scores])


def _prompt_scores(request: GenerationRequest) -> bytes:
    if not request.score_prompt:
        return b""
    return pack_scores([scored for token in request.prompt_ids[1:] if (scored := _scores(request, token)) is not None])
