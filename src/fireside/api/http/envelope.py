"""The one shape of every JSON answer: `{"result", "success", "errors", "messages"}`."""

from collections.abc import Mapping, Sequence
from typing import Any, Generic, TypeVar

import msgspec
from msgspec import UNSET, UnsetType
from starlette.responses import Response

from fireside.api.http.wire_errors import error_headers, wire_error, wire_message

Result = TypeVar("Result")


class ErrorInfo(msgspec.Struct, frozen=True):
    """What is wrong. The code is one of the table of errors."""

    code: int
    message: str


class Notice(msgspec.Struct, frozen=True):
    """Something said beside a result."""

    code: int
    message: str
    type: None = None


class ResultInfo(msgspec.Struct, frozen=True):
    """Which part of a listing this is."""

    page: int
    per_page: int
    count: int
    total_count: int
    total_pages: int


class Envelope(msgspec.Struct, Generic[Result], frozen=True):
    """An answer. `result_info` comes with listings."""

    result: Result
    success: bool = True
    errors: Sequence[ErrorInfo] = ()
    messages: Sequence[Notice] = ()
    result_info: ResultInfo | UnsetType = UNSET


class ErrorEnvelope(msgspec.Struct, frozen=True, kw_only=True):
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
    result_info: ResultInfo | UnsetType = UNSET,
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
