"""`POST /client/v4/accounts/{account_id}/ai/run/{model}`: one text generation.

The way from a model's name and its input fields to an answer is `TextRuns`; the Workers binding goes the same way.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from typing import Any, cast

import msgspec
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from fireside.api.body import parse_object, read_body
from fireside.api.context import Context
from fireside.api.disconnect import UntilGone
from fireside.api.envelope import answer
from fireside.api.inputs import TextInput, parse_input, to_request
from fireside.api.sse import EventStream, usage_object
from fireside.api.tools import call_object
from fireside.catalog.spec import ModelSpec
from fireside.engine.types import Adapter
from fireside.errors import EngineFailed, LoraUnsupported, RequestTimeout
from fireside.prompting.messages import ToolCall
from fireside.serving.types import Delta, JsonForm, Meter, TextRequest
from fireside.settings import Settings

logger = logging.getLogger(__name__)


def routes(context: Context) -> list[Route]:
    """The run route."""
    path = "/client/v4/accounts/{account_id}/ai/run/{model:path}"
    return [Route(path, _Run(context), methods=["POST"])]


class _Run:
    """ASGI application of the route."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._runs = TextRuns(context)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await read_request(self._context.settings, scope, receive)
        model = scope["path_params"]["model"]
        await self._runs.answer(scope, receive, send, model=model, fields=partial(parse_object, body), form=answer)


async def read_request(settings: Settings, scope: Scope, receive: Receive) -> bytes:
    """The body of a run request, within the settings' bounds. Raises as `read_body` does."""
    return await read_body(
        Headers(scope=scope), receive, max_bytes=settings.max_body_bytes, timeout=settings.body_timeout
    )


class TextRuns:
    """Text generations of one account each: looked up, run, answered whole or as a stream, and counted."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def answer(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        *,
        model: str,
        fields: Callable[[], dict[str, Any]],
        form: Callable[..., Response],
    ) -> None:
        """Run and answer one request of the account in `scope`'s path.

        Args:
            model: id as the client wrote it.
            fields: the input's fields; called once the model is known, as a wrong model is the better thing to hear of.
            form: makes the whole answer of the result object and `headers`.

        Raises:
            FiresideError: while nothing is sent yet; later ones end the stream with a frame of their own.
        """
        settings, service = self._context.settings, self._context.service
        account = scope["path_params"]["account_id"]
        spec = service.resolve(model)
        parsed = parse_input(fields())
        adapter = await self._adapter(account, spec, parsed)
        headers = {} if spec.id == model else {"fireside-served-by": spec.id}
        # The service promises an iterator that can be closed; to the type checker that is a generator.
        text_request = to_request(model, parsed, account, adapter)
        deltas = cast(AsyncGenerator[Delta, None], service.generate(text_request))
        try:
            if parsed.stream:
                stream = EventStream(
                    deltas,
                    headers=headers,
                    keep_alive=settings.keep_alive_seconds,
                    write_timeout=settings.write_timeout,
                    timeout=settings.request_timeout,
                    padding=settings.stream_padding,
                )
                await stream(scope, receive, send)
                return
            async with UntilGone(receive), aclosing(deltas):
                whole = await _collect(deltas, settings.request_timeout)
            response = form(_result(text_request, whole), headers=headers)
            await response(scope, receive, send)
        finally:
            # However it ended: a client that went away has used what was made for it.
            await self._record(account, spec.id, text_request.meter)

    async def _adapter(self, account: str, spec: ModelSpec, parsed: TextInput) -> Adapter | None:
        """The files of the fine-tune that is named. Raises LoraUnsupported, and what `FineTunes.local` does."""
        if parsed.lora is None:
            return None
        if not spec.lora:
            raise LoraUnsupported(
                f"The model {spec.id} does not support LoRA inference: send the request without lora."
            )
        found = await asyncio.to_thread(self._context.finetunes.local, account, parsed.lora, spec)
        return Adapter(found.version, str(found.folder))

    async def _record(self, account: str, model: str, meter: Meter) -> None:
        """Add to the account's usage. The client has its answer by now: a failure here is for the log alone."""
        if not meter.prompt_tokens:
            return
        try:
            await asyncio.to_thread(
                self._context.store.record_usage, account, model, meter.prompt_tokens, meter.completion_tokens
            )
        except Exception:
            logger.exception("Usage of account %s could not be recorded", account)


async def _collect(deltas: AsyncGenerator[Delta, None], seconds: float) -> Delta:
    """The whole answer as one piece. Raises RequestTimeout, and what the generation raises."""
    texts: list[str] = []
    calls: list[ToolCall] = []
    try:
        async with asyncio.timeout(seconds):
            async for delta in deltas:
                texts.append(delta.text)
                calls += delta.tool_calls
                if delta.usage is not None:
                    return replace(delta, text="".join(texts), tool_calls=tuple(calls))
    except TimeoutError:
        raise RequestTimeout(f"The answer was not done within {seconds:g} seconds.") from None
    raise EngineFailed("The answer broke off without an end.")


def _result(request: TextRequest, whole: Delta) -> dict[str, object]:
    """The result object: JSON as JSON rather than as its text, and calls beside what was said before them."""
    assert whole.usage is not None
    response: object = whole.text
    if isinstance(request.form, JsonForm):
        response = msgspec.Raw(whole.text.encode())
    elif whole.tool_calls:
        response = whole.text.strip() or None
    result = {"response": response, "usage": usage_object(whole.usage)}
    if request.offered_tools:
        result["tool_calls"] = [call_object(call) for call in whole.tool_calls]
    return result
