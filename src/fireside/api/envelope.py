"""The one shape of every JSON answer: `{"result", "success", "errors", "messages"}`."""

from collections.abc import Mapping
from typing import Any

import msgspec
from starlette.responses import Response

from fireside.api.errors import error_headers, wire_error, wire_message


class JsonResponse(Response):
    """JSON with a content type of exactly `application/json`: the Workers binding compares it as a string."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """The body's bytes."""
        return msgspec.json.encode(content)


def answer(
    result: object,
    *,
    messages: list[dict[str, object]] | None = None,
    extra: Mapping[str, object] | None = None,
    headers: Mapping[str, str] | None = None,
) -> JsonResponse:
    """A 200 with `result` in the envelope; `extra` adds keys beside it (`result_info` of a listing)."""
    body = {"result": result, "success": True, "errors": [], "messages": messages or [], **(extra or {})}
    return JsonResponse(body, headers=headers)


def error_envelope(error: BaseException) -> dict[str, object]:
    """The envelope of an error, as an object."""
    return {
        "result": None,
        "success": False,
        "errors": [{"code": wire_error(error).code, "message": wire_message(error)}],
        "messages": [],
    }


def error_answer(error: BaseException) -> JsonResponse:
    """The whole HTTP answer of an error."""
    return JsonResponse(error_envelope(error), status_code=wire_error(error).status, headers=error_headers(error))
