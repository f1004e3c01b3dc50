"""Text generation for all routes: adapter, answers (whole or streamed), usage."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Protocol

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from fireside.api.context import Context
from fireside.api.http.disconnect import UntilGone
from fireside.api.http.sse import EventStream, Frames
from fireside.api.http.underway import lease_of
from fireside.catalog.spec import ModelSpec
from fireside.chat.messages import ToolCall
from fireside.engine.types import Adapter
from fireside.errors import EngineFailed, InvalidInput, LoraUnsupported, RequestTimeout
from fireside.functions.loop import generate
from fireside.functions.schema import Function
from fireside.serving.choices import Choices, generate_choices
from fireside.serving.tokens import TokenReport
from fireside.serving.types import Delta, FinishReason, FunctionCall, TextRequest, Usage

logger = logging.getLogger(__name__)


MAX_LOGPROBS = 1 << 18
"""That an answer tells which is not a stream, over all its choices."""

LOGPROB_BYTES = 400
"""Memory that one of them takes until it is sent, as far as can be said."""


class AnswerWriter(Frames, Protocol):
    """Writes answers in the format of a route."""

    def whole(self, answers: Sequence[Delta], headers: Mapping[str, str]) -> Response:
        """What a request gets that asked for no stream: each choice in one piece, and each with the usage of all."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """A generation to run.

    Args:
        spec: the model that answers, as the requests' own was resolved.
        choices: requests without an adapter.
        lora: id or name of a fine-tune.
        functions: what the model may call and runs here, where there is one choice.
        stream: whether the answer goes out as it comes.
    """

    spec: ModelSpec
    choices: Choices
    lora: str | None = None
    functions: tuple[Function, ...] = ()
    stream: bool = False

    @property
    def request(self) -> TextRequest:
        """The first request; the others differ only in prompt and seed."""
        return self.choices.requests[0]


class GenerationResponse:
    """ASGI application that generates and answers. The request's body must have been read.

    Raises FiresideError while nothing is sent yet; later ones end the stream with a frame of their own.
    """

    def __init__(self, context: Context, generation: Generation, writer: AnswerWriter) -> None:
        self._context = context
        self._generation = generation
        self._writer = writer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        generation, writer, settings = self._generation, self._writer, self._context.settings
        spec = generation.spec
        headers = {} if generation.request.model in spec.names else {"fireside-served-by": spec.id}
        async with _generated(self._context, generation) as deltas:
            if generation.stream:
                await EventStream(deltas, writer, settings, headers)(scope, receive, send)
                return
            async with UntilGone(receive), aclosing(deltas):
                answers = await _collect(deltas, settings.request_timeout, lease_of(scope).add)
            if any(answer.tokens for answer in answers):
                response = await asyncio.to_thread(writer.whole, answers, headers)  # each token is an object there
            else:
                response = writer.whole(answers, headers)
            await response(scope, receive, send)


async def complete(context: Context, generation: Generation) -> Delta:
    """Generate the whole answer of one request that has no waiting connection.

    Raises as `GenerationResponse` does.
    """
    async with _generated(context, generation) as deltas, aclosing(deltas):
        [answer] = await _collect(deltas, context.settings.request_timeout)
        return answer


@asynccontextmanager
async def _generated(context: Context, asked: Generation) -> AsyncIterator[AsyncGenerator[Delta, None]]:
    """The answers' pieces, with the fine-tune that is named; at the end, the usage is recorded.

    Raises LoraUnsupported, and what `FineTunes.local` does.
    """
    spec, adapter = asked.spec, None
    # Found once: a download that ends in between must not change who answers.
    requests = tuple(replace(one, answering=spec) for one in asked.choices.requests)
    choices = replace(asked.choices, requests=requests)
    if asked.lora is not None:
        if not spec.lora:
            raise LoraUnsupported(f"The model {spec.id} does not support LoRA inference: leave out lora.")
        adapter = await asyncio.to_thread(context.finetunes.local, asked.request.account, asked.lora, spec)
        files = Adapter(adapter.version, str(adapter.folder))
        choices = replace(choices, requests=tuple(replace(one, adapter=files) for one in choices.requests))
    try:
        if asked.functions:
            [request] = choices.requests
            rounds = context.settings.function_rounds
            yield generate(context.service, context.sandbox, request, asked.functions, rounds)
        else:
            yield generate_choices(context.service, choices)
    finally:
        # However it ended: a client that went away has used what was made for it.
        await _record(context, spec, choices)
        if adapter is not None:
            await asyncio.to_thread(context.finetunes.release, adapter)


async def _record(context: Context, spec: ModelSpec, choices: Choices) -> None:
    """Add to the account's usage. The client already has its answer, so a failure is only logged."""
    account, usage = choices.requests[0].account, choices.usage()
    if not usage.prompt_tokens:
        return
    try:
        await asyncio.to_thread(
            context.store.record_usage, account, spec.id, usage.prompt_tokens, usage.completion_tokens
        )
    except Exception:
        logger.exception("Usage of account %s could not be recorded", account)


@dataclass(slots=True)
class _Pieces:
    """The answer of one choice so far."""

    texts: list[str] = field(default_factory=list)
    calls: list[ToolCall] = field(default_factory=list)
    done: list[FunctionCall] = field(default_factory=list)
    finish_reason: FinishReason | None = None
    reports: list[TokenReport] = field(default_factory=list)

    def add(self, delta: Delta) -> None:
        self.texts.append(delta.text)
        self.calls += delta.tool_calls
        self.done += delta.function_calls
        self.finish_reason = delta.finish_reason
        if delta.tokens is not None:
            self.reports.append(delta.tokens)

    def joined(self, choice: int, usage: Usage) -> Delta:
        return Delta(
            "".join(self.texts),
            self.finish_reason,
            usage,
            tuple(self.calls),
            tuple(self.done),
            _joined(self.reports) if self.reports else None,
            choice,
        )


def _joined(reports: Sequence[TokenReport]) -> TokenReport:
    return TokenReport(
        tuple(chain.from_iterable(report.scored for report in reports)),
        tuple(chain.from_iterable(report.ids for report in reports)),
        reports[0].prompt,
    )


async def _collect(
    deltas: AsyncGenerator[Delta, None], seconds: float, hold: Callable[[int], None] | None = None
) -> list[Delta]:
    """Each choice as one piece, in order.

    Args:
        hold: told how many more bytes of memory the answer takes, where that are many.

    Raises RequestTimeout, InvalidInput for too many logprobs, and what the generation and `hold` raise.
    """
    pieces: defaultdict[int, _Pieces] = defaultdict(_Pieces)
    logprobs = 0
    try:
        async with asyncio.timeout(seconds):
            async for delta in deltas:
                pieces[delta.choice].add(delta)
                if delta.tokens is not None and (more := delta.tokens.logprobs):
                    logprobs += more
                    if logprobs > MAX_LOGPROBS:
                        raise InvalidInput(
                            [f"logprobs: the answer has more than {MAX_LOGPROBS} of them: request fewer, or a stream"]
                        )
                    if hold is not None:
                        hold(more * LOGPROB_BYTES)
                if delta.usage is not None:
                    return [pieces[choice].joined(choice, delta.usage) for choice in sorted(pieces)]
    except TimeoutError:
        raise RequestTimeout(f"The answer was not done within {seconds:g} seconds.") from None
    raise EngineFailed("The answer broke off without an end.")
