"""Routes for commands on this machine, at `/api/server…`: state, load, unload, stop.

They require the secret in the server's own file (`fireside.running`): no token grants access, and neither does a server
without tokens.
"""

import time
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from fireside import __version__
from fireside.api.context import Context
from fireside.api.http.auth import COMMAND
from fireside.api.http.envelope import answer
from fireside.engine.memory import resident_memory
from fireside.errors import NotPermitted

_MODEL = "/api/server/models/{model:path}"
_Endpoint = Callable[[Request], Awaitable[Response]]


def routes(context: Context) -> list[Route]:
    """State, load, unload, stop; none if the server cannot be controlled."""
    control = context.control
    if control is None:
        return []
    began = time.monotonic()

    async def state(request: Request) -> Response:
        models = [await _model(context, spec.id) for spec in context.service.models()]
        return answer(
            {
                "version": __version__,
                "uptime_seconds": round(time.monotonic() - began, 1),
                "memory_bytes": resident_memory(),
                "models": [model for model in models if model["state"] in ("ready", "loading")],
            }
        )

    async def stop(request: Request) -> Response:
        control.stop()
        return answer({"stopping": True})

    def wanted(request: Request) -> str:
        return context.exact_model(request.path_params["model"]).id

    async def state_of_model(request: Request) -> Response:
        return answer(await _model(context, wanted(request)))

    async def load(request: Request) -> Response:
        model = wanted(request)
        await control.load(model)
        return answer(await _model(context, model))

    async def unload(request: Request) -> Response:
        return answer({"unloaded": await control.unload(wanted(request))})

    return [
        Route("/api/server", _for_commands(state)),
        Route("/api/server/stop", _for_commands(stop), methods=["POST"]),
        Route(_MODEL, _for_commands(state_of_model)),
        Route(_MODEL, _for_commands(load), methods=["POST"]),
        Route(_MODEL, _for_commands(unload), methods=["DELETE"]),
    ]


def _for_commands(endpoint: _Endpoint) -> _Endpoint:
    """The endpoint, restricted to the secret. Raises NotPermitted for all other callers."""

    async def checked(request: Request) -> Response:
        if request.state.grant is not COMMAND:
            raise NotPermitted("Only the fireside command of this data folder's owner may do this.")
        return await endpoint(request)

    return checked


async def _model(context: Context, model: str) -> dict[str, Any]:
    status = await context.service.status(model)
    stats = None if status.stats is None else msgspec.to_builtins(status.stats)
    return {"id": model, "state": status.state, "detail": status.detail, "progress": status.progress, "stats": stats}
