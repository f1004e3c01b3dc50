"""The outermost layer: assigns the request id, authenticates, and renders errors."""

import asyncio
import logging
import re
import traceback
from asyncio import sleep
from collections.abc import Callable, Mapping
from contextlib import suppress
from uuid import uuid4

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fireside.api.http.auth import Guard, is_public
from fireside.api.http.connections import peer_of
from fireside.api.http.disconnect import ClientGone
from fireside.api.http.envelope import error_answer
from fireside.api.http.paths import canonical, what_is_there
from fireside.api.http.request_log import REQUEST_ID
from fireside.api.http.slowdown import REQUESTS, TOKENS, Slowdown
from fireside.api.http.underway import OPEN, Lease, UnderWay, why_cancelled
from fireside.errors import (
    BodyTooLarge,
    Busy,
    FiresideError,
    MethodNotAllowed,
    NoSuchRoute,
    NotAuthenticated,
    NotPermitted,
    RequestError,
    RequestTimeout,
)

logger = logging.getLogger(__name__)

_LINGER_SECONDS = 2.0


ErrorRenderer = Callable[[BaseException], Response]


class Boundary:
    """ASGI application around the router.

    Args:
        error_renderers: how errors are answered on paths that match a pattern as a whole; elsewhere, with the
            envelope.
    """

    def __init__(
        self, app: ASGIApp, guard: Guard, under_way: UnderWay, error_renderers: Mapping[re.Pattern[str], ErrorRenderer]
    ) -> None:
        self._app = app
        self._guard = guard
        self._under_way = under_way
        self._error_renderers = error_renderers
        self._slowdown = Slowdown()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = str(uuid4())
        REQUEST_ID.set(request_id)
        started = False
        lease: Lease | None = None
        scope["path"] = canonical(scope["path"])

        async def tagged(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                own = [(b"cf-ai-req-id", request_id.encode()), (b"x-content-type-options", b"nosniff")]
                message["headers"] = [*message["headers"], *own]
            await send(message)

        try:
            scope["app"] = self  # makes the router raise what it refuses, rather than answer in its own words
            scope["state"]["grant"] = grant = await self._guard.admit(scope)
            if not is_public(scope["path"]):
                lease = self._under_way.begin(scope, grant)
            await self._app(scope, receive, tagged)
        except ClientGone:
            return
        except (Exception, asyncio.CancelledError) as error:
            await self._refuse(error, scope, receive, None if started else tagged, lease)
        finally:
            if lease is not None:
                self._under_way.end(lease)

    async def _refuse(
        self,
        error: BaseException,
        scope: Scope,
        receive: Receive,
        send: Send | None,
        lease: Lease | None,
    ) -> None:
        """Answer with the error, unless an answer has begun (`send` is None).

        Not in the frame that caught it: the error holds that one, and with it all that the request read.
        """
        known = _as_known(error, scope)
        if not isinstance(known, FiresideError):
            logger.error("A request failed", exc_info=error)
        if send is None:
            return
        traceback.clear_frames(error.__traceback__)  # what the request read is not kept while its refusal is held back
        await self._hold_back(known, scope, lease)
        path = scope["path"]
        renderers = (render for pattern, render in self._error_renderers.items() if pattern.fullmatch(path))
        render = next(renderers, error_answer)
        await _answer(render(known), known, scope, receive, send)

    async def _hold_back(self, error: BaseException, scope: Scope, lease: Lease | None) -> None:
        """Take time before a refusal, if its sender gets many."""
        if lease is None and isinstance(error, NotAuthenticated | NotPermitted):
            address = peer_of(scope.get("client"))
            self._slowdown.note(address, str(error))
            seconds = self._slowdown.delay(address, TOKENS)
        elif lease is not None and lease.account != OPEN and isinstance(error, RequestError | Busy):
            seconds = self._slowdown.delay(lease.account, REQUESTS)
        else:
            return
        if seconds:
            with self._slowdown.held(), suppress(asyncio.CancelledError):
                await sleep(seconds)


def _as_known(error: BaseException, scope: Scope) -> BaseException:
    """The router's and the server's own exceptions in Fireside's terms; others as they are."""
    match error:
        case HTTPException(status_code=404):
            what = what_is_there(scope["path"]) or ", perhaps your object identifier is invalid?"
            return NoSuchRoute(f"Could not route to {scope['path'][:200]}{what}")
        case HTTPException(status_code=405):
            allowed = (error.headers or {}).get("Allow", "").split(", ")
            return MethodNotAllowed(f"{scope['method']} is not allowed here.", sorted(allowed))
        case asyncio.CancelledError():
            return why_cancelled(scope)
        case _:
            return error


async def _answer(response: Response, error: BaseException, scope: Scope, receive: Receive, send: Send) -> None:
    if not isinstance(error, BodyTooLarge | RequestTimeout):
        await response(scope, receive, send)
        return
    # The client may be sending still. Closing at once would reset the connection and could lose the answer on its way:
    # say all of it, drop what comes for a moment, then close.
    response.headers["connection"] = "close"
    await send({"type": "http.response.start", "status": response.status_code, "headers": response.raw_headers})
    await send({"type": "http.response.body", "body": response.body, "more_body": True})
    with suppress(TimeoutError):
        async with asyncio.timeout(_LINGER_SECONDS):
            while (message := await receive())["type"] == "http.request" and message.get("more_body", False):
                pass
    await send({"type": "http.response.body", "body": b"", "more_body": False})
