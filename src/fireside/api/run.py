"""`POST /client/v4/accounts/{account_id}/ai/run/{model}`: one text generation.

The way from a model's name and its input fields to an answer is `TextRuns`; the Workers binding goes the same way.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from fireside.api.body import read_body
from fireside.api.context import Context
from fireside.api.envelope import Envelope, ErrorInfo, answer, error_envelope
from fireside.api.functions import FunctionCallObject, function_call_object, runnable_functions
from fireside.api.generation import TokenUsage, respond, usage_object
from fireside.api.inputs import TextInput, parse_input, to_request
from fireside.api.operation import GENERATING, Doc, Operation
from fireside.api.sse import frame, padding
from fireside.api.tools import CallObject, call_object
from fireside.prompting.messages import ToolCall
from fireside.serving.types import Delta, FinishReason, JsonForm, TextRequest


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
        await self._runs.answer(scope, receive, send, model=model, read=partial(body.parse, parse_input), form=answer)


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
        read: Callable[[], Awaitable[TextInput]],
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
        context = self._context
        spec = context.service.resolve(model)
        parsed = await read()
        functions = await runnable_functions(context.settings, parsed)
        request = to_request(model, parsed, scope["path_params"]["account_id"])
        await respond(
            context,
            spec,
            request,
            _RunForm(form, request, padded=context.settings.stream_padding, with_functions=bool(functions)),
            lora=parsed.lora,
            stream=parsed.stream,
            functions=functions,
            scope=scope,
            receive=receive,
            send=send,
        )


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

    def whole(self, delta: Delta, headers: Mapping[str, str]) -> Response:
        response: object = delta.text
        if isinstance(self._request.form, JsonForm):
            response = msgspec.Raw(delta.text.encode())  # as the model wrote it
        elif delta.tool_calls:
            response = delta.text.strip() or None
        assert delta.finish_reason is not None
        calls = self._numbered(delta.tool_calls) if self._request.offered_tools else UNSET
        done = [function_call_object(call) for call in delta.function_calls] if self._with_functions else UNSET
        result = RunResult(response, usage_object(delta.usage), delta.finish_reason, calls, done)
        return self._form(result, headers=headers)

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
