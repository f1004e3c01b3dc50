"""Connections that say nothing, little, or the wrong thing."""

import asyncio
import time
from collections import Counter
from contextlib import suppress

from bench.attacks.target import Target, ask, in_a_loop


async def _hold(target: Target, seconds: float, count: int, first: bytes, drip: bytes = b"") -> Counter[str]:
    """Open so many connections, say `first` on each and then `drip` now and again, and read nothing."""
    seen: Counter[str] = Counter()
    writers = []
    for _ in range(count):
        try:
            async with asyncio.timeout(5):
                _, writer = await asyncio.open_connection(target.host, target.port)
        except (OSError, TimeoutError) as error:
            seen[type(error).__name__] += 1
            continue
        seen["open"] += 1
        writers.append(writer)
        writer.write(first)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        for writer in writers if drip else ():
            writer.write(drip)
        await asyncio.sleep(0.5)
    for writer in writers:
        with suppress(OSError):
            writer.transport.abort()
    return seen


async def idle_connections(target: Target, seconds: float) -> Counter[str]:
    """1,200 connections that never say a word."""
    return await _hold(target, seconds, 1200, b"")


async def slow_heads(target: Target, seconds: float) -> Counter[str]:
    """300 requests whose headers come letter by letter."""
    return await _hold(target, seconds, 300, b"GET /health HTTP/1.1\r\nX-Slow: ", b"a")


async def slow_bodies(target: Target, seconds: float) -> Counter[str]:
    """600 requests whose body of 2 MB never comes to its end."""
    head = target.request("POST", target.run, b"", "Content-Length: 2000000")
    return await _hold(target, seconds, 600, head + b'{"prompt": "', b"a" * 1000)


async def deaf_readers(target: Target, seconds: float) -> Counter[str]:
    """100 streams that nobody reads."""
    body = b'{"prompt": "' + b"word " * 1600 + b'", "stream": true, "max_tokens": 8000}'
    return await _hold(target, seconds, 100, target.request("POST", target.run, body))


async def wrong_tokens(target: Target, seconds: float) -> Counter[str]:
    """Tokens of the right form that were never made, a new one each time."""
    stranger = [
        target.request("GET", f"{target.base}/models/search").replace(
            target.token.encode(), f"fireside_{number:016x}_{number:064x}".encode()
        )
        for number in range(1000)
    ]
    return await in_a_loop(target, seconds, stranger, at_once=16)


async def trailing_token(target: Target, seconds: float) -> Counter[str]:
    """A token in the trailer of a chunked body, where no header may be."""
    fields = "Transfer-Encoding: chunked", "Trailer: Authorization"
    anonymous = Target(target.host, target.port, target.account, "")
    chunk = b'{"prompt": "hello", "max_tokens": 8}'
    rest = b"%x\r\n%b\r\n0\r\nAuthorization: Bearer %b\r\n\r\n" % (len(chunk), chunk, target.token.encode())
    status, _ = await ask(anonymous, anonymous.request("POST", target.run, b"", *fields) + rest)
    return Counter([status])
