"""What the binding's `env.AI.gateway(id)` calls beside `run` (workerd's `aig-api.ts`), for a gateway of any name.

The server is the gateway itself: it has one provider, which is Workers AI, and keeps no logs.
"""

from dataclasses import dataclass
from typing import Any

import msgspec
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fireside.api.context import Context
from fireside.api.http.body import parse_json, read_body
from fireside.api.http.envelope import answer
from fireside.api.http.paths import canonical
from fireside.errors import FeatureUnavailable, FiresideError, InvalidInput, NoSuchRoute

MAX_STEPS = 10
"""Requests that one call may bring."""

_PROVIDER = "workers-ai"


@dataclass(frozen=True, slots=True)
class Step:
    """One of the requests, the next of which is made when it fails. Its headers are the provider's: of no effect here.

    Args:
        endpoint: `@cf/author/name`, `run/@cf/author/name`, or `v1/chat/completions` and so on.
        query: the body for that endpoint.
    """

    provider: str
    endpoint: str
    query: dict[str, Any]


class Universal:
    """ASGI application of the gateway's universal endpoint.

    Args:
        routes: where the endpoints lead.
    """

    def __init__(self, context: Context, routes: list[Route]) -> None:
        self._settings = context.settings
        self._router: ASGIApp = Router(routes, redirect_slashes=False, default=_nowhere)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await read_body(scope, receive, self._settings)
        steps = await body.parse(_read_steps, decode=parse_json)
        for number, step in enumerate(steps):
            sender = _Sender(send, number)
            try:
                await self._make(step, scope, receive, sender)
                return
            except FiresideError:
                if sender.started or number == len(steps) - 1:
                    raise

    async def _make(self, step: Step, scope: Scope, receive: Receive, send: Send) -> None:
        if step.provider != _PROVIDER:
            raise FeatureUnavailable(
                f"provider {step.provider[:40]!r}: this server generates text itself; the only provider is {_PROVIDER}."
            )
        unread = [msgspec.json.encode(step.query)]

        async def replay() -> Message:
            return {"type": "http.request", "body": unread.pop()} if unread else await receive()

        path = canonical(f"/v1/{scope['path_params']['account_id']}/gateway/{_PROVIDER}/{step.endpoint}")
        headers = [pair for pair in scope["headers"] if pair[0] not in (b"content-length", b"content-encoding")]
        request = {**scope, "path": path, "query_string": b"", "headers": headers, "path_params": {}}
        await self._router(request, replay, send)


class _Sender:
    """Sends on, and says in the answer's headers which request was the one."""

    def __init__(self, send: Send, number: int) -> None:
        self.started = False
        self._send = send
        self._number = number

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            message["headers"] = [*message["headers"], (b"cf-aig-step", str(self._number).encode())]
        await self._send(message)


def _read_steps(given: Any) -> list[Step]:
    """The requests in a body, which is one or a list of them. Raises InvalidInput."""
    try:
        steps = msgspec.convert(given if isinstance(given, list) else [given], list[Step])
    except msgspec.ValidationError as error:
        raise InvalidInput([f"a gateway request needs provider, endpoint and query: {error}"]) from None
    if not 1 <= len(steps) <= MAX_STEPS:
        raise InvalidInput([f"a gateway call needs 1 to {MAX_STEPS} requests, got {len(steps)}"])
    return steps


async def _nowhere(scope: Scope, receive: Receive, send: Send) -> None:
    raise NoSuchRoute("endpoint: should be @cf/author/name (or @hf), run/@cf/author/name, or v1/chat/completions.")


@dataclass(frozen=True, slots=True)
class GatewayAddress:
    """Where a gateway's routes for a provider are."""

    url: str


async def gateway_url(request: Request) -> Response:
    """The base of this server's gateway addresses (`fireside.api.http.paths`)."""
    account, gateway, provider = (request.path_params[name] for name in ("account_id", "gateway", "provider"))
    host = Headers(scope=request.scope).getlist("host")[-1]  # miniflare brings the original's, too, and first
    end = "" if provider == "universal" else f"/{provider}"
    return answer(GatewayAddress(f"{request.scope['scheme']}://{host}/v1/{account}/{gateway}{end}"))


async def gateway_log(request: Request) -> Response:
    """Raises NoSuchRoute."""
    raise NoSuchRoute(f"There is no log {request.path_params['log'][:100]!r}: this server keeps no logs of a gateway.")
