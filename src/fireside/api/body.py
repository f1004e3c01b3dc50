"""From the bytes of a request to a JSON object: bounded in size, in time and in depth."""

import asyncio
import json
import zlib
from typing import Any

import msgspec
from starlette.datastructures import Headers
from starlette.types import Receive

from fireside.api.disconnect import ClientGone
from fireside.errors import BadBody, BodyTooLarge, FeatureUnavailable, InvalidDataType, RequestTimeout

_UTF8_BOM = b"\xef\xbb\xbf"
_decode = msgspec.json.Decoder().decode


async def read_body(headers: Headers, receive: Receive, *, max_bytes: int, timeout: float) -> bytes:  # noqa: ASYNC109
    """The whole body, decompressed.

    Args:
        max_bytes: most bytes, as sent and decompressed.
        timeout: most seconds for the body to arrive.

    Raises:
        BodyTooLarge: before anything is read, if the declared length says so already.
        RequestTimeout: the body came too slowly.
        BadBody, FeatureUnavailable: the content coding is broken, or not one that this server takes.
        ClientGone: the client closed the connection before its body was complete.
    """
    declared = headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > max_bytes:
        raise _too_large(max_bytes)
    body = bytearray()
    try:
        async with asyncio.timeout(timeout):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientGone
                body += message.get("body", b"")
                if len(body) > max_bytes:
                    raise _too_large(max_bytes)
                if not message.get("more_body", False):
                    break
    except TimeoutError:
        raise RequestTimeout(f"The request body did not arrive within {timeout:g} seconds.") from None
    return _decompress(bytes(body), headers.get("content-encoding", "identity").strip().lower(), max_bytes)


def _too_large(max_bytes: int) -> BodyTooLarge:
    return BodyTooLarge(f"The request body is larger than this server's limit of {max_bytes} bytes.")


def _decompress(body: bytes, coding: str, max_bytes: int) -> bytes:
    if coding in ("", "identity"):
        return body
    if coding not in ("gzip", "x-gzip"):
        raise FeatureUnavailable(f"Content-Encoding {coding[:40]!r} is not supported: send the body plain or as gzip.")
    inflate = zlib.decompressobj(wbits=31)
    try:
        # One byte more than allowed is enough to know; the rest of a bomb is never inflated.
        plain = inflate.decompress(body, max_bytes + 1)
    except zlib.error as error:
        raise BadBody(f"The body says it is gzip, but it cannot be read as such: {error}.") from error
    if len(plain) > max_bytes:
        raise _too_large(max_bytes)
    if not inflate.eof or inflate.unused_data:
        raise BadBody("The body says it is gzip, but it is cut short or something follows its end.")
    return plain


def parse_object(body: bytes) -> dict[str, Any]:
    """The JSON object in a body, whatever its content type said: curl's `-d` calls everything a form.

    A UTF-8 byte order mark is skipped. Of duplicate keys the last one counts.

    Raises:
        BadBody: empty, not JSON (NaN and Infinity are not), nested too deeply, or not an object.
        InvalidDataType: JSON in form, but with bytes that are not UTF-8, lone surrogates, or numbers out of range.
    """
    body = body.removeprefix(_UTF8_BOM)
    if not body.strip():
        raise BadBody("The request is missing its body: send a JSON object.")
    try:
        value = _decode(body)
    except RecursionError:
        raise BadBody("The JSON body is nested too deeply.") from None
    except UnicodeDecodeError:
        raise InvalidDataType("The JSON body is not valid UTF-8.") from None
    except msgspec.ValidationError:
        raise InvalidDataType("The JSON body holds a number that is out of range.") from None
    except msgspec.DecodeError as error:
        if _has_lone_surrogate(body):
            raise InvalidDataType("The JSON body holds a lone surrogate (half of a \\uD8xx\\uDCxx pair).") from None
        raise BadBody(f"The body is not JSON: {error}.") from None
    if not isinstance(value, dict):
        raise BadBody('The JSON body must be an object, like {"prompt": "…"}.')
    return value


def _has_lone_surrogate(body: bytes) -> bool:
    """Whether lone surrogates are all that is wrong: the standard library lets them pass, msgspec does not."""

    def refuse(constant: str) -> None:
        raise ValueError(constant)

    try:
        json.dumps(json.loads(body, parse_constant=refuse), ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    except (ValueError, RecursionError):
        return False
    return False
