"""Answers as server-sent events.

The response starts with the first token or the first keep-alive comment, whichever comes first. An error before that is
an ordinary error answer; after it, a frame with the error, and the end. `data: [DONE]` is sent exactly once.

One timer per stream does the keep-alive and the write timeout; nothing is allocated per token but its frame.
"""

import asyncio
import logging
import random
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from typing import Protocol

import msgspec
from starlette.types import Receive, Scope, Send

from fireside.api.http.disconnect import ClientGone, UntilGone
from fireside.api.http.underway import why_cancelled
from fireside.errors import EngineFailed, FiresideError, RequestTimeout
from fireside.serving.types import Delta
from fireside.settings import Settings

logger = logging.getLogger(__name__)

KEEP_ALIVE = b": keep-alive\n\n"
DONE = b"data: [DONE]\n\n"
ABORT = "fireside.abort"
"""ASGI extension of Fireside's own server: its "abort" closes the connection immediately and discards unsent bytes."""

_PADDING = "abdefghijklmnopqrstuvwxyz0123456789"


class Frames(Protocol):
    """How one kind of answer is written as frames; each method returns whole frames, blank lines included."""

    def piece(self, delta: Delta) -> bytes:
        """A piece that is not the last; empty when there is nothing to say of it."""
        ...

    def end(self, delta: Delta) -> bytes:
        """The last piece, with its usage. `data: [DONE]` is not part of it."""
        ...

    def error(self, error: BaseException) -> bytes:
        """An error in a stream that has begun."""
        ...


def frame(data: object) -> bytes:
    """One frame of JSON."""
    return b"data: " + msgspec.json.encode(data) + b"\n\n"


def padding() -> str:
    """Text of random length, which hides token lengths from observers of the connection."""
    return _PADDING[: random.randrange(len(_PADDING))]  # noqa: S311  (a length, not a secret)


class EventStream:
    """ASGI response that writes the pieces of one answer as they come.

    Args:
        deltas: the answer; closed when the client goes, or when it breaks off for any other reason.
        frames: how it is written.
        settings: when a comment is sent, a client that does not read dropped, and an answer that takes long broken off.
        headers: further response headers.
    """

    def __init__(
        self,
        deltas: AsyncGenerator[Delta, None],
        frames: Frames,
        settings: Settings,
        headers: Mapping[str, str],
    ) -> None:
        self._deltas = deltas
        self._frames = frames
        self._headers = headers
        self._keep_alive = settings.keep_alive_seconds
        self._write_timeout = settings.write_timeout
        self._pause = min(self._keep_alive, self._write_timeout)
        self._timeout = settings.request_timeout
        self._started = False
        self._beat: asyncio.Task[None] | None = None
        self._writing_since: float | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._scope = scope
        self._send = send
        self._abort: Callable[[], None] = scope.get("extensions", {}).get(ABORT, {}).get("abort", lambda: None)
        self._loop = asyncio.get_running_loop()
        self._last_write = self._loop.time()
        self._timer = self._loop.call_later(self._pause, self._tick)
        try:
            async with UntilGone(receive), aclosing(self._deltas):
                await self._pump()
        except ClientGone:
            return
        except (Exception, asyncio.CancelledError) as error:
            if not self._started:
                raise
            await self._break_off(error)
        finally:
            self._timer.cancel()
            if self._beat is not None:
                self._beat.cancel()

    async def _pump(self) -> None:
        frames = self._frames
        try:
            async with asyncio.timeout(self._timeout):
                async for delta in self._deltas:
                    write = frames.piece if delta.usage is None else frames.end
                    if delta.tokens is None or delta.tokens.prompt is None:
                        body = write(delta)
                    else:  # a whole prompt is told, token by token
                        body = await asyncio.to_thread(write, delta)
                    if delta.usage is not None:
                        await self._write(body + DONE, more=False)
                        return
                    if body:
                        await self._write(body)
        except TimeoutError:
            raise RequestTimeout(f"The answer did not finish within {self._timeout:g} seconds.") from None
        raise EngineFailed("The answer broke off without an end.")

    async def _break_off(self, error: BaseException) -> None:
        """Report an error after bytes were sent, when an error response is no longer possible: as the last frame."""
        if isinstance(error, asyncio.CancelledError):
            error = why_cancelled(self._scope)
        elif not isinstance(error, FiresideError):
            logger.error("A stream failed", exc_info=error)
        await self._write(self._frames.error(error) + DONE, more=False)

    async def _write(self, body: bytes, *, more: bool = True) -> None:
        if self._beat is not None:
            await self._beat
        await self._put(body, more)

    async def _put(self, body: bytes, more: bool) -> None:
        self._writing_since = self._last_write = self._loop.time()
        if not self._started:
            self._started = True
            await self._send(self._start())
        await self._send({"type": "http.response.body", "body": body, "more_body": more})
        self._writing_since = None

    def _start(self) -> dict[str, object]:
        headers = {
            "content-type": "text/event-stream",
            "cache-control": "no-cache",
            # Tells nginx and its like to pass each frame on at once.
            "x-accel-buffering": "no",
            **self._headers,
        }
        encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        return {"type": "http.response.start", "status": 200, "headers": encoded}

    def _tick(self) -> None:
        now = self._loop.time()
        if self._writing_since is not None:
            due = self._writing_since + self._write_timeout
            if now >= due:
                logger.warning("Disconnected a client that read nothing for %g seconds", self._write_timeout)
                self._abort()
                return
        else:
            due = min(self._last_write + self._keep_alive, now + self._pause)
            if now >= due:
                self._beat = self._loop.create_task(self._send_keep_alive())
                due = now + self._pause
        self._timer = self._loop.call_at(due, self._tick)

    async def _send_keep_alive(self) -> None:
        await self._put(KEEP_ALIVE, more=True)
        self._beat = None
