"""The one shape of every JSON answer: `{"result", "success", "errors", "messages"}`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import msgspec
from starlette.responses import Response

from fireside.api.http.wire_errors import error_headers, wire_error, wire_message
from fireside.api.unset import UNSET, Unset

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class ErrorInfo:
    """What is wrong. The code is one of the table of errors."""

    code: int
    message: str


@dataclass(frozen=True, slots=True)
class Notice:
    """Something said beside a result."""

    code: int
    message: str
    type: None = None


@dataclass(frozen=True, slots=True)
class ResultInfo:
    """Which part of a listing this is."""

    page: int
    per_page: int
    count: int
    total_count: int
    total_pages: int


@dataclass(frozen=True, slots=True)
class Envelope(Generic[Result]):
    """An answer. `result_info` comes with listings."""

    result: Result
    success: bool = True
    errors: Sequence[ErrorInfo] = ()
    messages: Sequence[Notice] = ()
    result_info: ResultInfo | Unset = UNSET


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorEnvelope:
    """A refusal or a failure."""

    result: None = None
    success: bool = False
    errors: list[ErrorInfo]
    messages: Sequence[Notice] = ()


class JsonResponse(Response):
    """JSON with a content type of exactly `application/json`: the Workers binding compares it as a string."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """The body's bytes."""
        return msgspec.json.encode(content)


def answer(
    result: object,
    *,
    messages: Sequence[Notice] = (),
    result_info: ResultInfo | Unset = UNSET,
    headers: Mapping[str, str] | None = None,
) -> JsonResponse:
    """A 200 with `result` in the envelope."""
    return JsonResponse(Envelope(result, messages=messages, result_info=result_info), headers=headers)


def error_envelope(error: BaseException) -> ErrorEnvelope:
    """The envelope of an error."""
    return ErrorEnvelope(errors=[ErrorInfo(wire_error(error).code, wire_message(error))])


def error_answer(error: BaseException) -> JsonResponse:
    """The whole HTTP answer of an error."""
    return JsonResponse(error_envelope(error), status_code=wire_error(error).status, headers=error_headers(error))
