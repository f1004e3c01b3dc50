"""`GET /health` (the process lives) and `GET /ready` (requests to the default model are answered).

Both are open to everybody, at any host name: so neither says more than that.
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
    """The process lives."""

    status: str = "ok"


@dataclass(frozen=True, slots=True)
class Readiness:
    """Requests to the default model are answered, by itself or its stand-in."""

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
            # Neither which model nor why it failed: anybody may ask here.
            raise ModelNotReady(f"The default model is {state}{progress}.")
        return answer(Readiness())

    alive = Doc(id="health", tag="Server", summary="Does it live?", result=Envelope[Health], public=True)
    answers = Doc(
        id="ready",
        tag="Server",
        summary="Are requests answered?",
        result=Envelope[Readiness],
        raises=[ModelNotReady],
        public=True,
    )
    return [
        Operation("GET", "/health", health, alive),
        Operation("GET", "/healthz", health, replace(alive, id="healthz")),
        Operation("GET", "/ready", ready, answers),
    ]
