"""`GET /health` (the process is alive) and `GET /ready` (the default model is ready).

Both are public, under any host name, so neither reveals more than that.
"""

from dataclasses import dataclass, replace

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from fireside.api.context import Context
from fireside.api.http.envelope import Envelope, answer
from fireside.api.schema.operation import Doc, Operation
from fireside.errors import ModelNotReady


@dataclass(frozen=True, slots=True)
class Health:
    """The process is alive."""

    status: str = "ok"


@dataclass(frozen=True, slots=True)
class Readiness:
    """The default model, or its stand-in, is ready to answer."""

    status: str = "ready"


def routes(context: Context) -> list[Route]:
    """Health and readiness."""

    async def health(request: Request) -> Response:
        return answer(Health())

    async def ready(request: Request) -> Response:
        model = context.service.resolve(context.settings.default_model).id
        status = await context.service.status(model)
        # What is idle loads with the first request, unless it has been tried: then its detail says why it failed.
        if status.state != "ready" and (status.state != "idle" or status.detail):
            progress = "" if status.progress is None else f" ({status.progress:.0%})"
            state = "failed" if status.state == "idle" else status.state
            # This route is public: it names neither the model nor the reason for a failure.
            raise ModelNotReady(f"The default model is {state}{progress}.")
        return answer(Readiness())

    alive = Doc(id="health", tag="Server", summary="Liveness check", result=Envelope[Health], public=True)
    answers = Doc(
        id="ready",
        tag="Server",
        summary="Readiness check",
        result=Envelope[Readiness],
        raises=[ModelNotReady],
        public=True,
    )
    return [
        Operation("GET", "/health", health, alive),
        Operation("GET", "/healthz", health, replace(alive, id="healthz")),
        Operation("GET", "/ready", ready, answers),
    ]
