"""What an attack aims at, and the few ways in which it speaks."""

import asyncio
import gzip
import json
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

ECHO = "@hf/fireside/echo"
_ANSWER_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Target:
    """A server, and an account of it.

    Args:
        token: the account's; empty for a server without tokens.
        model: id of the model that is asked.
        pid: the server's process.
    """

    host: str
    port: int
    account: str
    token: str
    model: str = ECHO
    pid: int = 0

    @property
    def base(self) -> str:
        """Path of the account."""
        return f"/client/v4/accounts/{self.account}/ai"

    @property
    def run(self) -> str:
        """Path of the run route."""
        return f"{self.base}/run/{self.model}"

    def request(self, method: str, path: str, body: bytes = b"", *fields: str) -> bytes:
        """One request as it goes over the wire; the connection ends with it."""
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self.host}:{self.port}", "Connection: close", *fields]
        if self.token:
            lines.append(f"Authorization: Bearer {self.token}")
        if body:
            lines.append(f"Content-Length: {len(body)}")
        return "\r\n".join([*lines, "", ""]).encode() + body


Attack = Callable[[Target, float], Coroutine[Any, Any, Counter[str]]]
"""Goes on for so many seconds, ends what it began, and counts what it got by status ("429") or error's name."""


def zipped(body: object) -> bytes:
    """JSON, compressed as well as can be."""
    return gzip.compress(json.dumps(body, separators=(",", ":")).encode(), 9)


async def ask(target: Target, raw: bytes) -> tuple[str, bytes]:
    """Send bytes on a connection of their own; the answer's status, or what went wrong, and its body."""
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            reader, writer = await asyncio.open_connection(target.host, target.port)
            try:
                with suppress(ConnectionError):  # it may refuse before it has read all
                    writer.write(raw)
                    await writer.drain()
                received = await reader.read(-1)
            finally:
                writer.close()
    except ConnectionError:  # reset, or a broken pipe: which of them is chance
        return "reset", b""
    except (OSError, TimeoutError) as error:
        return type(error).__name__, b""
    head, _, body = received.partition(b"\r\n\r\n")
    return (head.split(b" ", 2)[1].decode() if head.startswith(b"HTTP/1.1 ") else "closed"), body


async def post(target: Target, path: str, body: object) -> str:
    """The status of one compressed request."""
    fields = "Content-Type: application/json", "Content-Encoding: gzip"
    return (await ask(target, target.request("POST", path, zipped(body), *fields)))[0]


async def in_a_loop(
    target: Target, seconds: float, requests: Sequence[bytes], *, at_once: int, seen: Counter[str] | None = None
) -> Counter[str]:
    """Send these requests again and again, so many at once; what came of them."""
    statuses: Counter[str] = Counter() if seen is None else seen
    deadline = time.monotonic() + seconds

    async def one(number: int) -> None:
        while time.monotonic() < deadline:
            status, _ = await ask(target, requests[number % len(requests)])
            statuses[status] += 1
            number += at_once

    tasks = [asyncio.create_task(one(number)) for number in range(at_once)]
    # What has no answer by then is given up: the server must end its work, too.
    await asyncio.wait(tasks, timeout=seconds + 1)
    for task in tasks:
        task.cancel()
    for result in await asyncio.gather(*tasks, return_exceptions=True):
        statuses["given up"] += isinstance(result, asyncio.CancelledError)
    return +statuses
