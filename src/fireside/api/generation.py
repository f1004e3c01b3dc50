"""One text generation, whatever route asked for it: adapter, answer (whole or as a stream), usage."""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from typing import Protocol, cast

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from fireside.api.context import Context
from fireside.api.disconnect import UntilGone
from fireside.api.sse import EventStream, Frames
from fireside.catalog.spec import ModelSpec
from fireside.engine.types import Adapter
from fireside.errors import EngineFailed, LoraUnsupported, RequestTimeout
from fireside.functions.loop import generate
from fireside.functions.schema import Function
from fireside.prompting.messages import ToolCall
from fireside.serving.types import Delta, FunctionCall, TextRequest

logger = logging.getLogger(__name__)


class Form(Frames, Protocol):
    """How a route writes its answer."""

    def whole(self, delta: Delta, headers: Mapping[str, str]) -> Response:
        """The answer to a request that asked for no stream, all in one piece."""
        ...


async def respond(
    context: Context,
    spec: ModelSpec,
    request: TextRequest,
    form: Form,
    *,
    lora: str | None,
    stream: bool,
    functions: Sequence[Function] = (),
    scope: Scope,
    receive: Receive,
    send: Send,
) -> None:
    """Generate and answer; `scope`'s body must have been read.

    Args:
        spec: the model that answers, as `request.model` was resolved.
        request: without its adapter; its tenant is the account.
        lora: id or name of a fine-tune.
        functions: what the model may call and runs here.

    Raises:
        FiresideError: while nothing is sent yet; later ones end the stream with a frame of their own.
    """
    settings = context.settings
    headers = {} if request.model in spec.names else {"fireside-served-by": spec.id}
    async with _generation(context, spec, request, lora, functions) as deltas:
        if stream:
            events = EventStream(
                deltas,
                form,
                headers=headers,
                keep_alive=settings.keep_alive_seconds,
                write_timeout=settings.write_timeout,
                timeout=settings.request_timeout,
            )
            await events(scope, receive, send)
            return
        async with UntilGone(receive), aclosing(deltas):
            delta = await _collect(deltas, settings.request_timeout)
        response = form.whole(delta, headers)
        await response(scope, receive, send)


async def complete(
    context: Context, spec: ModelSpec, request: TextRequest, *, lora: str | None, functions: Sequence[Function] = ()
) -> Delta:
    """Generate the whole answer, with nobody waiting on a connection. Arguments and errors as `respond`'s."""
    async with _generation(context, spec, request, lora, functions) as deltas, aclosing(deltas):
        return await _collect(deltas, context.settings.request_timeout)


@asynccontextmanager
async def _generation(
    context: Context, spec: ModelSpec, request: TextRequest, lora: str | None, functions: Sequence[Function]
) -> AsyncIterator[AsyncGenerator[Delta, None]]:
    """The answer's pieces, with the fine-tune that is named; at the end, the usage is recorded.

    Raises LoraUnsupported, and what `FineTunes.local` does.
    """
    adapter = None
    if lora is not None:
        if not spec.lora:
            raise LoraUnsupported(f"The model {spec.id} does not support LoRA inference: leave out lora.")
        adapter = await asyncio.to_thread(context.finetunes.local, request.tenant, lora, spec)
        request = replace(request, adapter=Adapter(adapter.version, str(adapter.folder)))
    try:
        # The service promises an iterator that can be closed; to the type checker that is a generator.
        yield cast(AsyncGenerator[Delta, None], _deltas(context, request, functions))
    finally:
        # However it ended: a client that went away has used what was made for it.
        await _record(context, spec, request)
        if adapter is not None:
            await asyncio.to_thread(context.finetunes.release, adapter)


def _deltas(context: Context, request: TextRequest, functions: Sequence[Function]) -> AsyncIterator[Delta]:
    if not functions:
        return context.service.generate(request)
    return generate(context.service, context.sandbox, request, functions, context.settings.function_rounds)


async def _record(context: Context, spec: ModelSpec, request: TextRequest) -> None:
    """Add to the account's usage. The client has its answer by now: a failure here is for the log alone."""
    account, meter = request.tenant, request.meter
    if not meter.prompt_tokens:
        return
    try:
        await asyncio.to_thread(
            context.store.record_usage, account, spec.id, meter.prompt_tokens, meter.completion_tokens
        )
    except Exception:
        logger.exception("Usage of account %s could not be recorded", account)


async def _collect(deltas: AsyncGenerator[Delta, None], seconds: float) -> Delta:
    """The whole answer as one piece. Raises RequestTimeout, and what the generation raises."""
    pieces: list[str] = []
    calls: list[ToolCall] = []
    done: list[FunctionCall] = []
    try:
        async with asyncio.timeout(seconds):
            async for delta in deltas:
                pieces.append(delta.text)
                calls += delta.tool_calls
                done += delta.function_calls
                if delta.usage is not None:
                    return Delta("".join(pieces), delta.finish_reason, delta.usage, tuple(calls), tuple(done))
    except TimeoutError:
        raise RequestTimeout(f"The answer was not done within {seconds:g} seconds.") from None
    raise EngineFailed("The answer broke off without an end.")
