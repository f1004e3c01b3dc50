"""The echo engine: deterministic, without weights, for users' CI and for our tests.

It answers with the prompt's own tokens. Without a seed, or at temperature 0, they come back in order; with a seed, the
words come back in an order that depends only on the seed. It honours `max_tokens`, `min_tokens`, stop tokens,
`allowed_ids`, biases that force or ban a token, and a configurable speed per request. It is certain of its answer: its
own token has logprob 0, every other token the minimum. So temperature, penalties and the like would change nothing.

With a grammar, it answers with the prompt's next byte where the grammar allows that byte, and otherwise with the one
that keeps the answer short: a prompt that fits comes back unchanged; of any other, as much as fits into the shortest
answer.
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
"""All bytes, in the order that keeps JSON short: those that end something first."""

NEWLINE = 10

FORCING_BIAS = 100
"""A logit bias of at least this forces a token, and at most its negative bans one, as in OpenAI's API."""


@dataclass(slots=True)
class _Run:
    """A running request.

    Args:
        said: how many bytes of `answer` have been generated.
        made: how many tokens have been generated.
        due: when its next token is due (`time.monotonic`); None while it waits for a slot.
    """

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
        """The preferred next token: the answer's, then the answer's again if it may not end yet; None to end."""
        if self.said < len(self.answer):
            return self.answer[self.said]
        if self.may_end:
            return None
        return self.answer[self.said % len(self.answer)] if self.answer else ord(" ")


def answer_ids(request: GenerationRequest) -> list[int]:
    """The whole answer before `max_tokens` truncates it, without the stop token."""
    ids = [token for token in request.prompt_ids if token < 256]
    sampling = request.sampling
    if sampling.seed is None or sampling.temperature == 0:
        return ids
    words = bytes(ids).split(b" ")
    random.Random(sampling.seed).shuffle(words)  # noqa: S311 - not for secrets
    return list(b" ".join(words))


def shortest_byte(allowed: Collection[int]) -> int:
    """The allowed byte that ends an answer soonest."""
    # Inside a string, which allows letters but no line breaks, a brace would not end anything.
    inside = ord("a") in allowed and NEWLINE not in allowed
    order = b'"a' + SIMPLEST_BYTES if inside else SIMPLEST_BYTES
    return next(byte for byte in order if byte in allowed)


class EchoRunner:
    """Implements `fireside.engine.runner.Runner` on byte tokens (ids 0 to 255; others are control tokens).

    Args:
        answer: returns the ids of a request's whole answer, as `answer_ids` does.
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
                raise EngineFailed("This engine was started without a token table, so it cannot follow a grammar.")
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
        """The next token, and the end of the answer if that is already certain."""
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
    # Imported here: without grammars, this engine does not need llguidance.
    from fireside.engine.grammar.compiler import GrammarCompiler

    return GrammarCompiler(tokens)


def _biased(sampling: Sampling, wish: int | None, stop: int) -> int | None:
    """The token to answer with: a forced one, else the wish, or the first allowed one if the wish is not allowed."""
    allowed = sampling.allowed_ids
    if sampling.logit_bias:
        likeliest = max(sampling.logit_bias, key=sampling.logit_bias.__getitem__)
        if sampling.logit_bias[likeliest] >= FORCING_BIAS and (not allowed or likeliest in allowed):
            return likeliest
    return wish if not allowed or (stop if wish is None else wish) in allowed else allowed[0]


def _constrained(constraint: "Constraint", wish: int | None, *, may_end: bool) -> int | None:
    """The byte to answer with; None if the answer ends."""
    allowed = {token for token in constraint.allowed().tolist() if token < 256}
    if wish is not None and wish in allowed:
        return wish
    if not allowed or (constraint.satisfied and may_end):
        return None
    return shortest_byte(allowed)


def _scores(request: GenerationRequest, token: int) -> Scores | None:
    """The scores, if requested: the token is certain, and every other one practically impossible."""
    if request.scores is None:
        return None
    others = [other for other in range(request.scores) if other != token]
    best = [(token, 0.0), *((other, MIN_LOGPROB) for other in others)]
    return Scores(0.0, best[: request.scores])


def _prompt_scores(request: GenerationRequest) -> bytes:
    if not request.score_prompt:
        return b""
    return pack_scores([scored for token in request.prompt_ids[1:] if (scored := _scores(request, token)) is not None])
