"""`POST /client/v4/accounts/{account_id}/ai/run/{model}`: one text generation.

The way from a model's name and its input fields to an answer is `TextRuns`; the Workers binding goes the same way.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType
from starlette.datastructures import QueryParams
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from fireside.api.batches import BatchLookup, BatchResults, BatchTicket, NewBatch, read_run
from fireside.api.context import Context
from fireside.api.generation import complete, respond
from fireside.api.http.body import read_body
from fireside.api.http.envelope import Envelope, ErrorInfo, answer, error_envelope
from fireside.api.http.sse import frame, padding
from fireside.api.schema.code_functions import FunctionCallObject, function_call_object, runnable_functions
from fireside.api.schema.operation import GENERATING, Doc, Operation
from fireside.api.schema.run_input import TextInput, parse_input, to_request
from fireside.api.schema.tool_fields import CallObject, call_object
from fireside.api.schema.usage import TokenUsage, usage_object
from fireside.catalog.spec import ModelSpec
from fireside.chat.messages import ToolCall
from fireside.serving.choices import Choices
from fireside.serving.types import Delta, FinishReason, JsonOutput, TextRequest, Usage


def routes(context: Context) -> list[Route]:
    """The run route."""
    doc = Doc(
        id="runModel",
        tag="Run",
        summary="Generate text",
        body=TextInput,
        result=Envelope[RunResult],
        frames=RunFrame,
        raises=GENERATING,
        scope="run",
    )
    return [Operation("POST", "/client/v4/accounts/{account_id}/ai/run/{model:path}", _Run(context), doc)]


class _Run:
    """ASGI application of the route."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._runs = TextRuns(context)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await read_body(scope, receive, self._context.settings)
        model = scope["path_params"]["model"]
        queue = QueryParams(scope["query_string"]).get("queueRequest") == "true"
        read = partial(body.parse, partial(read_run, queue=queue))
        await self._runs.answer(scope, receive, send, model=model, read=read, form=answer)


class TextRuns:
    """Text generations of one account each, asked for and answered in the hosted service's own form."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def answer(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        *,
        model: str,
        read: Callable[[], Awaitable[TextInput | NewBatch | BatchLookup]],
        form: Callable[..., Response],
    ) -> None:
        """Run and answer one request of the account in `scope`'s path.

        Args:
            model: id as the client wrote it.
            read: the input; asked for once the model is known, as a wrong model is the better thing to hear of.
            form: makes the whole answer of the result object and `headers`.

        Raises:
            FiresideError: as `respond` does.
        """
        context, account = self._context, scope["path_params"]["account_id"]
        spec = context.service.resolve(model)
        parsed = await read()
        if isinstance(parsed, NewBatch | BatchLookup):
            await form(self._batch(account, spec, model, parsed))(scope, receive, send)
            return
        functions = await runnable_functions(context.settings, context.function_reader, account, parsed)
        request = to_request(model, parsed, account)
        await respond(
            context,
            spec,
            Choices((request,)),
            _RunForm(form, request, padded=context.settings.stream_padding, with_functions=bool(functions)),
            lora=parsed.lora,
            stream=parsed.stream,
            functions=functions,
            scope=scope,
            receive=receive,
            send=send,
        )

    def _batch(
        self, account: str, spec: ModelSpec, model: str, asked: NewBatch | BatchLookup
    ) -> BatchTicket | BatchResults:
        if isinstance(asked, BatchLookup):
            return self._context.batches.look_up(account, asked.request_id)
        run = partial(self._run_later, account, spec, model)
        return self._context.batches.submit(account, model, asked, run)

    async def _run_later(
        self, account: str, spec: ModelSpec, model: str, fields: dict[str, Any]
    ) -> "tuple[RunResult, Usage]":
        """Run one request of a batch. Raises as `complete` does."""
        context = self._context
        parsed = await asyncio.to_thread(parse_input, fields)
        functions = await runnable_functions(context.settings, context.function_reader, account, parsed)
        request = to_request(model, parsed, account)
        delta = await complete(context, spec, request, lora=parsed.lora, functions=functions)
        assert delta.usage is not None
        form = _RunForm(answer, request, padded=False, with_functions=bool(functions))
        return form.result(delta), delta.usage


class RunResult(msgspec.Struct, frozen=True):
    """The whole answer.

    Args:
        response: the text; in JSON mode the JSON itself; null when the model called tools and said nothing.
        tool_calls: where tools were offered.
        function_calls: where the request has functions.
    """

    response: Any
    usage: TokenUsage
    finish_reason: FinishReason
    tool_calls: list[CallObject] | UnsetType = UNSET
    function_calls: list[FunctionCallObject] | UnsetType = UNSET


class RunFrame(msgspec.Struct, frozen=True):
    """A frame of a stream: a piece of the answer, the usage at its end, or the error that cut it short.

    Args:
        tool_calls: calls that the model has made since the frame before.
        function_calls: those that are done.
        p: text of random length, where the server pads its frames.
        errors: the same error once more, as the envelope has it.
        finish_reason: beside the usage; beside an error, for clients that look there (workers-ai-provider).
    """

    response: str | UnsetType = UNSET
    tool_calls: list[CallObject] | UnsetType = UNSET
    function_calls: list[FunctionCallObject] | UnsetType = UNSET
    p: str | UnsetType = UNSET
    usage: TokenUsage | UnsetType = UNSET
    error: ErrorInfo | UnsetType = UNSET
    finish_reason: FinishReason | Literal["error"] | UnsetType = UNSET
    errors: list[ErrorInfo] | UnsetType = UNSET


class _RunForm:
    """Implements `fireside.api.generation.Form`."""

    def __init__(
        self, form: Callable[..., Response], request: TextRequest, *, padded: bool, with_functions: bool
    ) -> None:
        self._form = form
        self._request = request
        self._padded = padded
        self._with_functions = with_functions
        self._calls = 0

    def whole(self, answers: Sequence[Delta], headers: Mapping[str, str]) -> Response:
        [answer] = answers
        return self._form(self.result(answer), headers=headers)

    def result(self, delta: Delta) -> RunResult:
        """The whole answer, of its only piece."""
        response: object = delta.text
        if isinstance(self._request.structured_output, JsonOutput):
            response = msgspec.Raw(delta.text.encode())  # as the model wrote it
        elif delta.tool_calls:
            response = delta.text.strip() or None
        assert delta.finish_reason is not None
        calls = self._numbered(delta.tool_calls) if self._request.offered_tools else UNSET
        done = [function_call_object(call) for call in delta.function_calls] if self._with_functions else UNSET
        return RunResult(response, usage_object(delta.usage), delta.finish_reason, calls, done)

    def piece(self, delta: Delta) -> bytes:
        if not (delta.text or delta.tool_calls or delta.function_calls):
            return b""
        calls = self._numbered(delta.tool_calls) or UNSET
        done = [function_call_object(call) for call in delta.function_calls] or UNSET
        return frame(RunFrame(delta.text, calls, done, padding() if self._padded else UNSET))

    def end(self, delta: Delta) -> bytes:
        assert delta.finish_reason is not None
        last = RunFrame("", usage=usage_object(delta.usage), finish_reason=delta.finish_reason)
        return self.piece(delta) + frame(last)

    def error(self, error: BaseException) -> bytes:
        [said] = error_envelope(error).errors
        return frame(RunFrame(error=said, errors=[said], finish_reason="error"))

    def _numbered(self, calls: Sequence[ToolCall]) -> list[CallObject]:
        numbered = [call_object(call, self._calls + place) for place, call in enumerate(calls)]
        self._calls += len(numbered)
        return numbered
