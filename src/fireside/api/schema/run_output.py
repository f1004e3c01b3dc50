"""What the run route answers, and what both APIs have in common of it: calls of tools, and usage."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal, cast

import msgspec
from pydantic import Field, WithJsonSchema

from fireside.api.http.envelope import ErrorInfo
from fireside.api.unset import UNSET, Unset
from fireside.chat import messages
from fireside.serving.types import FinishReason, FunctionCall, Usage

Count = Annotated[int, Field(ge=0)]
_RESPONSE = WithJsonSchema({"type": ["string", "null", "object", "array", "number", "boolean"]})


@dataclass(frozen=True, slots=True)
class PromptDetails:
    """Of the prompt's tokens, those that the engine still held from an earlier request of the account."""

    cached_tokens: Count


@dataclass(frozen=True, slots=True)
class TokenUsage:
    """Tokens of one request; details where some of the prompt's were cached."""

    prompt_tokens: Count
    completion_tokens: Count
    total_tokens: Count
    prompt_tokens_details: PromptDetails | Unset = UNSET


def usage_object(usage: Usage | None) -> TokenUsage:
    """Usage as clients read it; of an answer's last piece, which always has one."""
    assert usage is not None
    made, read = usage.completion_tokens, usage.prompt_tokens
    details = PromptDetails(usage.cached_tokens) if usage.cached_tokens else UNSET
    return TokenUsage(read, made, read + made, details)


@dataclass(frozen=True, slots=True)
class CalledFunction:
    """`arguments` is the text of a JSON object."""

    name: str
    arguments: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallObject:
    """A call as the hosted service answers it, in both of its forms: older clients read the first two fields.

    Args:
        index: its place among the calls of the answer.
        function: the same call as OpenAI writes it, which clients of streams need to tell calls apart.
    """

    name: str
    arguments: dict[str, Any]
    index: Count
    id: str
    type: Literal["function"] = "function"
    function: CalledFunction


def call_object(call: messages.ToolCall, index: int) -> CallObject:
    """The call; its arguments go out as the model wrote them."""
    return CallObject(
        name=call.name,
        arguments=cast(Any, msgspec.Raw(call.arguments.encode())),
        index=index,
        id=call.id,
        function=CalledFunction(call.name, call.arguments),
    )


@dataclass(frozen=True, slots=True)
class FunctionCallObject:
    """A call that ran here, as clients read it."""

    name: str
    arguments: Any
    milliseconds: Count
    result: Any | Unset = UNSET
    error: str | Unset = UNSET


def function_call_object(call: FunctionCall) -> FunctionCallObject:
    """The object of one call; arguments that are not JSON are a string."""
    result = UNSET if call.result is None else msgspec.Raw(call.result.encode())
    error = UNSET if call.error is None else call.error
    return FunctionCallObject(call.name, _arguments(call.arguments), call.milliseconds, result, error)


def _arguments(text: str) -> object:
    """The value of a JSON text, which may have line ends between its parts, where a frame has none."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return text


@dataclass(frozen=True, slots=True)
class RunResult:
    """The whole answer.

    Args:
        response: the text; in JSON mode the JSON itself; null when the model called tools and said nothing.
        tool_calls: where tools were offered.
        function_calls: where the request has functions.
    """

    response: Annotated[Any, _RESPONSE]
    usage: TokenUsage
    finish_reason: FinishReason
    tool_calls: list[CallObject] | Unset = UNSET
    function_calls: list[FunctionCallObject] | Unset = UNSET


@dataclass(slots=True)
class RunFrame:
    """A frame of a stream: a piece of the answer, the usage at its end, or the error that cut it short.

    Args:
        tool_calls: calls that the model has made since the frame before.
        function_calls: those that are done.
        p: text of random length, where the server pads its frames.
        errors: the same error once more, as the envelope has it.
        finish_reason: beside the usage; beside an error, for clients that look there (workers-ai-provider).
    """

    response: str | Unset = UNSET
    tool_calls: list[CallObject] | Unset = UNSET
    function_calls: list[FunctionCallObject] | Unset = UNSET
    p: str | Unset = UNSET
    usage: TokenUsage | Unset = UNSET
    error: ErrorInfo | Unset = UNSET
    finish_reason: FinishReason | Literal["error"] | Unset = UNSET
    errors: list[ErrorInfo] | Unset = UNSET
