"""Reads the JSON body of a request, bounded in size, time and depth."""

import asyncio
import json
import zlib
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import msgspec
from starlette.datastructures import Headers
from starlette.types import Receive, Scope

from fireside.api.http.disconnect import ClientGone
from fireside.api.http.underway import LARGE, Lease, lease_of
from fireside.errors import BadBody, BodyTooLarge, FeatureUnavailable, InvalidDataType, RequestTimeout
from fireside.settings import Settings

SLICE = 1 << 16
"""Bytes looked at in one go. Other threads wait for as long as one takes, which is below a millisecond."""


class ValueCount:
    """Counts commas and opening brackets outside strings: each value but the first follows one.

    Attributes:
        found: how many so far.
    """

    def __init__(self) -> None:
        self.found = 0
        self._in_string = False

    def add(self, text: bytes) -> Iterator[int]:
        """Count on, slice by slice; `found` after each. What is not JSON may be counted wrongly."""
        start = 0
        while start < len(text):
            end = min(start + SLICE, len(text))
            # Not between a backslash and what it escapes.
            backslashes = end - start - len(text[start:end].rstrip(b"\\"))
            if backslashes % 2 and end < len(text):
                end += 1
            self._count(text[start:end])
            start = end
            yield self.found

    def _count(self, text: bytes) -> None:
        if b"\\" in text:
            text = text.replace(b"\\\\", b"").replace(b'\\"', b"")
        parts = text.split(b'"')
        plain = b"".join(parts[self._in_string :: 2])
        self._in_string ^= len(parts) % 2 == 0
        self.found += plain.count(b",") + plain.count(b"[") + plain.count(b"{")


_UTF8_BOM = b"\xef\xbb\xbf"
_decode = msgspec.json.Decoder().decode

MAX_VALUES = 131_072
"""Of a body: numbers, texts, lists, maps, all counted."""

VALUE_BYTES = 128
"""Memory that a value takes beside its text, as far as can be said."""

SMALL_BYTES = 1 << 16
SMALL_VALUES = 1000
"""A body up to these sizes is read in the event loop, where a thread would cost more than it saves."""

_SURROGATES_BYTES = 1 << 20
"""In a larger body nobody looks for the reason why it is not JSON."""

Parsed = TypeVar("Parsed")


class Body:
    """A request's body: whole, decompressed, and bounded in bytes and values."""

    def __init__(self, text: bytes, lease: Lease, *, small: bool) -> None:
        self._text = text
        self._lease = lease
        self._small = small

    async def parse(self, read: Callable[[Any], Parsed], *, decode: "Callable[[bytes], Any] | None" = None) -> Parsed:
        """What `read` makes of the JSON; in a thread, where the body is large. May be called once.

        Args:
            decode: `parse_json`, for what need not be an object.

        Raises as `parse_object` and `read` do.
        """
        text, self._text = self._text, b""
        decode = decode or parse_object
        if self._small:
            return read(decode(text))
        try:
            return await self._lease.owner.lanes.run(self._lease.account, lambda: read(decode(text)))
        finally:
            self._lease.end_turn()


async def read_body(scope: Scope, receive: Receive, settings: Settings) -> Body:
    """The whole body, decompressed, its memory counted to the request's account.

    Raises:
        BodyTooLarge: more than `max_body_bytes`, as sent or decompressed, or more than `MAX_VALUES`. Before anything
            is read, if the declared length says so already.
        RequestTimeout: the body came too slowly.
        BadBody, FeatureUnavailable: the content coding is broken, or not one that this server takes.
        Busy: the account has too many bytes under way.
        ClientGone: the client closed the connection before its body was complete.
    """
    lease, headers = lease_of(scope), Headers(scope=scope)
    coding = headers.get("content-encoding", "identity").strip().lower()
    is_plain = coding in ("", "identity")
    pieces = await _receive(headers, receive, lease, settings)
    plain = None
    if sum(map(len, pieces)) <= SMALL_BYTES:
        sent = b"".join(pieces)
        plain = sent if is_plain else _decompress(sent, coding, settings.max_body_bytes, stop=SMALL_BYTES)
    is_small = plain is not None

    def read() -> tuple[bytes, int]:
        text = plain
        if text is None:
            text = b"".join(pieces)
            pieces.clear()
            if not is_plain:
                text = _decompress(text, coding, settings.max_body_bytes) or b""
        return text, _count(text)

    text, values = read() if is_small else await lease.owner.lanes.run(lease.account, read)
    lease.add((0 if is_plain else len(text)) + values * VALUE_BYTES)
    return Body(text, lease, small=is_small and values <= SMALL_VALUES)


async def _receive(headers: Headers, receive: Receive, lease: Lease, settings: Settings) -> list[bytes]:
    """The body as it was sent, in pieces."""
    max_bytes = settings.max_body_bytes
    declared = headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > max_bytes:
        raise _too_large(max_bytes)
    pieces, size = [], 0
    try:
        async with asyncio.timeout(settings.body_timeout) as limit:
            while True:
                if size > LARGE and not lease.has_turn:
                    # Nothing is read meanwhile, so that the network holds the client back.
                    limit.reschedule(None)
                    await lease.take_turn()
                    limit.reschedule(asyncio.get_running_loop().time() + settings.body_timeout)
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientGone
                piece = message.get("body", b"")
                lease.add(len(piece))
                pieces.append(piece)
                size += len(piece)
                if size > max_bytes:
                    raise _too_large(max_bytes)
                if not message.get("more_body", False):
                    break
    except TimeoutError:
        raise RequestTimeout(f"The request body did not arrive within {settings.body_timeout:g} seconds.") from None
    return pieces


def _too_large(max_bytes: int) -> BodyTooLarge:
    return BodyTooLarge(f"The request body is larger than this server's limit of {max_bytes} bytes.")


def _decompress(body: bytes, coding: str, max_bytes: int, stop: int | None = None) -> bytes | None:
    """The plain bytes; None when they are more than `stop`."""
    if coding not in ("gzip", "x-gzip"):
        raise FeatureUnavailable(f"Content-Encoding {coding[:40]!r} is not supported: send the body plain or as gzip.")
    most = max_bytes if stop is None else min(stop, max_bytes)
    inflate = zlib.decompressobj(wbits=31)
    try:
        # One byte more than allowed is enough to know; the rest of a bomb is never inflated.
        plain = inflate.decompress(body, most + 1)
    except zlib.error as error:
        raise BadBody(f"The body is not valid gzip, although Content-Encoding says so: {error}.") from error
    if len(plain) > max_bytes:
        raise _too_large(max_bytes)
    if len(plain) > most:
        return None
    if not inflate.eof or inflate.unused_data:
        raise BadBody("The gzip body is truncated, or has data after its end.")
    return plain


def _count(text: bytes) -> int:
    """How many values. Raises BodyTooLarge as soon as there are too many."""
    count = ValueCount()
    for found in count.add(text):
        if found > MAX_VALUES:
            raise BodyTooLarge(
                f"The request body has more than {MAX_VALUES} values (strings, numbers, arrays and objects): send a "
                "smaller one."
            )
    return count.found


def parse_object(body: bytes) -> dict[str, Any]:
    """The JSON object in a body. Raises as `parse_json` does, and BadBody for what is not an object."""
    value = parse_json(body)
    if not isinstance(value, dict):
        raise BadBody('The JSON body must be an object, like {"prompt": "…"}.')
    return value


def parse_json(body: bytes) -> Any:
    """The JSON in a body, whatever its content type said: curl's `-d` calls everything a form.

    A UTF-8 byte order mark is skipped. Of duplicate keys the last one counts.

    Raises:
        BadBody: empty, not JSON (NaN and Infinity are not), or nested too deeply.
        InvalidDataType: JSON in form, but with bytes that are not UTF-8, lone surrogates, or numbers out of range.
    """
    body = body.removeprefix(_UTF8_BOM)
    if not body.strip():
        raise BadBody("The request is missing its body: send a JSON object.")
    try:
        return _decode(body)
    except RecursionError:
        raise BadBody("The JSON body is nested too deeply.") from None
    except UnicodeDecodeError:
        raise InvalidDataType("The JSON body is not valid UTF-8.") from None
    except msgspec.ValidationError:
        raise InvalidDataType("The JSON body has a number that is out of range.") from None
    except msgspec.DecodeError as error:
        if _has_lone_surrogate(body):
            raise InvalidDataType("The JSON body has a lone surrogate (half of a \\uD8xx\\uDCxx pair).") from None
        raise BadBody(f"The body is not JSON: {error}.") from None


def _has_lone_surrogate(body: bytes) -> bool:
    """Whether lone surrogates are all that is wrong: the standard library lets them pass, msgspec does not."""

    def refuse(constant: str) -> None:
        raise ValueError(constant)

    if len(body) > _SURROGATES_BYTES:
        return False
    try:
        json.dumps(json.loads(body, parse_constant=refuse), ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    except (ValueError, RecursionError):
        return False
    return False
