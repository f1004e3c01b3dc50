"""`POST /client/v4/accounts/{account_id}/ai/run/{model}`: one text generation.

The way from a model's name and its input fields to an answer is `TextRuns`; the Workers binding goes the same way.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any

import msgspec
from starlette.datastructures import QueryParams
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from fireside.api.batches import BatchLookup, NewBatch, read_run
from fireside.api.context import Context
from fireside.api.generation import Generation, GenerationResponse, complete
from fireside.api.http.body import read_body
from fireside.api.http.envelope import Envelope, answer, error_envelope
from fireside.api.http.sse import frame, padding
from fireside.api.schema.operation import GENERATING, Doc, Operation
from fireside.api.schema.run_input import PromptInput, TextInput, parse_input, to_request
from fireside.api.schema.run_output import (
    CallObject,
    RunFrame,
    RunResult,
    call_object,
    function_call_object,
    usage_object,
)
from fireside.api.unset import UNSET
from fireside.catalog.spec import ModelSpec
from fireside.chat.messages import ToolCall
from fireside.errors import FeatureUnavailable, InvalidInput
from fireside.functions.schema import Function
from fireside.serving.choices import Choices
from fireside.serving.types import Delta, JsonOutput, Usage


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
        self._runs = TextRuns(context, answer)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await read_body(scope, receive, self._context.settings)
        account, model = scope["path_params"]["account_id"], scope["path_params"]["model"]
        queue = QueryParams(scope["query_string"]).get("queueRequest") == "true"
        response = await self._runs.response(account, model, partial(body.parse, partial(read_run, queue=queue)))
        await response(scope, receive, send)


class TextRuns:
    """Text generations, asked for and answered in the hosted service's own form.

    Args:
        make_response: makes the whole answer of the result object and `headers`.
    """

    def __init__(self, context: Context, make_response: Callable[..., Response]) -> None:
        self._context = context
        self._make_response = make_response

    async def response(
        self, account: str, model: str, read: Callable[[], Awaitable[TextInput | NewBatch | BatchLookup]]
    ) -> ASGIApp:
        """The response to a request; generates the answer first.

        Args:
            model: id as the client wrote it.
            read: the input; asked for once the model is known, as a wrong model is the better thing to hear of.

        Raises FiresideError for what cannot be run.
        """
        context = self._context
        spec = context.service.resolve(model)
        parsed = await read()
        if isinstance(parsed, BatchLookup):
            return self._make_response(context.batches.look_up(account, parsed.request_id))
        if isinstance(parsed, NewBatch):
            run = partial(self._run_later, account, spec, model)
            return self._make_response(context.batches.submit(account, model, parsed, run))
        generation = await self._generation(account, spec, model, parsed)
        writer = RunWriter(self._make_response, generation, padded=context.settings.stream_padding)
        return GenerationResponse(context, generation, writer)

    async def _run_later(
        self, account: str, spec: ModelSpec, model: str, fields: dict[str, Any]
    ) -> tuple[RunResult, Usage]:
        """Run one request of a batch. Raises as `complete` does."""
        parsed = await asyncio.to_thread(parse_input, fields)
        generation = await self._generation(account, spec, model, parsed)
        delta = await complete(self._context, generation)
        return RunWriter(answer, generation).result(delta), generation.request.usage

    async def _generation(self, account: str, spec: ModelSpec, model: str, parsed: TextInput) -> Generation:
        functions = await _functions(self._context, account, parsed)
        choices = Choices((to_request(model, parsed, account),))
        return Generation(spec=spec, choices=choices, lora=parsed.lora, functions=functions, stream=parsed.stream)


async def _functions(context: Context, account: str, given: TextInput) -> tuple[Function, ...]:
    """The request's functions, if it has any.

    Raises:
        FeatureUnavailable: the operator has not turned functions on.
        InvalidInput: functions that are not understood, or do not go with the rest of the request.
        Busy, EngineFailed: as `FunctionReader.functions_of` does.
    """
    if isinstance(given, PromptInput) or not given.functions:
        return ()
    if not context.settings.functions:
        raise FeatureUnavailable(
            "This server does not run functions: send the request without functions, or have its operator set "
            "FIRESIDE_FUNCTIONS=true."
        )
    if given.raw:
        raise InvalidInput(["functions: cannot be combined with raw, which has no place to describe them to the model"])
    if given.response_format is not None or given.guided_json is not None:
        raise InvalidInput(["response_format: cannot be combined with functions; leave one out"])
    code = [(function.name, function.code) for function in given.functions]
    functions = await context.function_reader.functions_of(account, code)
    tools = {tool.name for tool in given.tools}
    if taken := [function.name for function in functions if function.name in tools]:
        raise InvalidInput([f"functions: {taken[0]} is also the name of a tool"])
    return functions


class RunWriter:
    """Implements `fireside.api.generation.AnswerWriter`.

    Args:
        make_response: see `TextRuns`.
        padded: pad frames to random lengths.
    """

    def __init__(self, make_response: Callable[..., Response], asked: Generation, *, padded: bool = False) -> None:
        self._make_response = make_response
        self._request = asked.request
        self._with_functions = bool(asked.functions)
        self._padded = padded
        self._calls = 0

    def whole(self, answers: Sequence[Delta], headers: Mapping[str, str]) -> Response:
        [answer] = answers
        return self._make_response(self.result(answer), headers=headers)

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
        calls = self._numbered(delta.tool_calls) if delta.tool_calls else UNSET
        done = [function_call_object(call) for call in delta.function_calls] if delta.function_calls else UNSET
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
