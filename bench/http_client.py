"""A streaming HTTP client that does almost nothing, so that what is measured is the server."""

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bench.workload import Unavailable

_READ_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer: when it was asked for, when its first and its last piece came (seconds), and its tokens."""

    began: float
    first: float
    ended: float
    tokens: int


async def ask(port: int, path: str, body: dict[str, Any], on_first: Callable[[], None] | None = None) -> Answer:
    """POST to a server on this machine and read its events to the end.

    Args:
        on_first: called when the first piece has come.

    Raises OSError when it does not listen, Unavailable for any answer but a stream of events that tells its tokens.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    payload = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\nConnection: close\r\n"
    try:
        began = time.perf_counter()
        writer.write(f"{head}Content-Length: {len(payload)}\r\n\r\n".encode() + payload)
        received = bytearray()
        first = 0.0
        while piece := await reader.read(_READ_BYTES):
            received += piece
            if not first and b"data: {" in received:
                first = time.perf_counter()
                if on_first is not None:
                    on_first()
        ended = time.perf_counter()
    finally:
        writer.close()
    status, body_bytes = read_response(bytes(received))
    if status != 200:
        raise Unavailable(f"HTTP status {status}: {body_bytes[:300].decode(errors='replace')}")
    return Answer(began, first, ended, count_tokens(body_bytes))


async def get_json(port: int, path: str) -> Any:
    """GET from a server on this machine. Raises OSError when it does not listen, Unavailable for any status but 200."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n".encode())
        received = await reader.read(-1)
    finally:
        writer.close()
    status, body = read_response(received)
    if status != 200:
        raise Unavailable(f"HTTP status {status}: {body[:300].decode(errors='replace')}")
    return json.loads(body)


def read_response(received: bytes) -> tuple[int, bytes]:
    """Status and body of a whole HTTP/1.1 response, chunked or not. Raises Unavailable for anything else."""
    head, separator, body = received.partition(b"\r\n\r\n")
    first, *headers = head.split(b"\r\n")
    if not separator or not first.startswith(b"HTTP/1.1 "):
        raise Unavailable(f"no HTTP response: {received[:100]!r}")
    status = int(first.split()[1])
    chunked = any(line.lower().replace(b" ", b"") == b"transfer-encoding:chunked" for line in headers)
    if not chunked:
        return status, body
    whole = bytearray()
    while body:
        size, _, rest = body.partition(b"\r\n")
        length = int(size, 16)
        if not length:
            return status, bytes(whole)
        whole += rest[:length]
        body = rest[length + 2 :]
    raise Unavailable("the answer broke off")


def count_tokens(events: bytes) -> int:
    """Generated tokens as the stream's own last words say: Fireside's usage, llama.cpp's tokens_predicted.

    Raises Unavailable when they do not.
    """
    for line in reversed(events.splitlines()):
        if not line.startswith(b"data: {"):
            continue
        event = json.loads(line.removeprefix(b"data: "))
        if "usage" in event:
            return int(event["usage"]["completion_tokens"])
        if event.get("stop") is True:
            return int(event["tokens_predicted"])
    raise Unavailable(f"the stream did not tell its tokens: {events[-300:].decode(errors='replace')}")
