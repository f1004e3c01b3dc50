"""Errors as OpenAI's clients read them.

The SDKs show `error.message` and choose an exception by the status. The hosted service's own envelope stands beside it
in the same object, for clients that look there.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from fireside import errors as e
from fireside.api.http.envelope import ErrorInfo, JsonResponse, Notice, error_envelope
from fireside.api.http.wire_errors import error_headers, wire_error_of, wire_message
from fireside.api.schema.operation import ErrorShape

PATHS = re.compile(r"(/client/v4/accounts/[^/]*/ai)?/v1(/.*)?", re.DOTALL)
"""The paths whose errors are `error_answer`'s."""

_CODES: dict[type[BaseException], str] = {
    e.NotAuthenticated: "invalid_api_key",
    e.UnknownModel: "model_not_found",
    e.InvalidModelId: "model_not_found",
    e.ModelRetired: "model_not_found",
    e.ContextOverflow: "context_length_exceeded",
    e.Busy: "rate_limit_exceeded",
    # The error's former name: what is on the wire stays.
    e.ConstraintNotMet: "form_not_met",
}
"""Codes that clients look for. Any other error's is its own name: engine_lost, model_not_downloaded."""

_STATUSES: dict[type[BaseException], int] = {
    # As OpenAI has it: the SDKs make NotFoundError of it.
    e.UnknownModel: 404,
    e.ModelRetired: 404,
    # The SDKs have no exception for a 405.
    e.LoraUnsupported: 400,
}
_PARAMETER = re.compile(r"(\w+)[\w.]*: ")


@dataclass(frozen=True, slots=True)
class OpenAIError:
    """What is wrong.

    Args:
        param: the field that is wrong, where it is one.
    """

    message: str
    type: str
    param: str | None
    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAIErrorBody:
    """The error for OpenAI's clients, and the hosted service's envelope."""

    error: OpenAIError
    result: None = None
    success: bool = False
    errors: list[ErrorInfo]
    messages: Sequence[Notice] = ()


@dataclass(frozen=True, slots=True)
class ErrorChoice:
    """Ends a stream for clients that look for a finish_reason only, as OpenRouter does it."""

    delta: dict[str, str] = field(default_factory=dict)
    finish_reason: Literal["error"] = "error"
    index: Literal[0] = 0


@dataclass(frozen=True, slots=True)
class OpenAIErrorFrame:
    """An error in a stream that has begun."""

    error: OpenAIError
    errors: list[ErrorInfo]
    choices: list[ErrorChoice]


def error_code(kind: type[BaseException]) -> str:
    """`error.code` of a kind of error."""
    if not issubclass(kind, e.FiresideError):
        return "internal_error"
    return _CODES.get(kind) or re.sub(r"(?<!^)(?=[A-Z])", "_", kind.__name__).lower()


def error_object(error: BaseException) -> OpenAIError:
    """An error as OpenAI's clients read it."""
    code = error_code(type(error))
    return OpenAIError(wire_message(error), _kind(error), _parameter(error), code)


def error_frame(error: BaseException) -> OpenAIErrorFrame:
    """What a stream says last when it breaks off."""
    return OpenAIErrorFrame(error_object(error), error_envelope(error).errors, [ErrorChoice()])


def error_body(error: BaseException) -> OpenAIErrorBody:
    """The whole object, with the hosted service's envelope."""
    return OpenAIErrorBody(error=error_object(error), errors=error_envelope(error).errors)


def error_status(kind: type[BaseException]) -> int:
    """HTTP status of a leaf of `fireside.errors` on these routes."""
    return _STATUSES.get(kind, wire_error_of(kind).status)


OPENAI_ERRORS = ErrorShape(OpenAIErrorBody, error_status, OpenAIErrorFrame)


def error_answer(error: BaseException) -> JsonResponse:
    """The whole HTTP answer of an error."""
    status = error_status(type(error))
    return JsonResponse(error_body(error), status_code=status, headers=error_headers(error))


def _kind(error: BaseException) -> str:
    match error:
        case e.NotAuthenticated():
            return "authentication_error"
        case e.NotPermitted():
            return "permission_error"
        case e.Busy():
            return "rate_limit_error"
        case e.RequestError():
            return "invalid_request_error"
        case _:
            return "server_error"


def _parameter(error: BaseException) -> str | None:
    match error:
        case e.UnknownModel() | e.InvalidModelId():
            return "model"
        case e.FineTuneNotFound() | e.FineTuneIncomplete() | e.FineTuneMismatch() | e.LoraUnsupported():
            return "lora"
        case e.InvalidInput() | e.FeatureUnavailable():
            named = _PARAMETER.match(str(error))
            return named[1] if named else None
        case _:
            return None
