"""`GET /health` (the process lives) and `GET /ready` (the default model answers). Both are open to everybody."""

from dataclasses import replace

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from fireside import __version__
from fireside.api.context import Context
from fireside.api.envelope import Envelope, answer
from fireside.api.operation import Doc, Operation
from fireside.errors import ModelNotReady


class Health(Struct, frozen=True):
    """The process lives."""

    version: str
    status: str = "ok"


class Readiness(Struct, frozen=True):
    """The default model answers."""

    model: str
    status: str = "ready"


def routes(context: Context) -> list[Route]:
    """Health and readiness."""

    async def health(request: Request) -> Response:
        return answer(Health(__version__))

    async def ready(request: Request) -> Response:
        model = context.settings.default_model
        status = await context.service.status(model)
        if status.state != "ready":
            progress = "" if status.progress is None else f" ({status.progress:.0%})"
            # Not why it failed: that may name files of this machine, and anybody may ask here.
            raise ModelNotReady(f"The model {model} is {status.state}{progress}.")
        return answer(Readiness(model))

    alive = Doc(id="health", tag="Server", summary="Does it live?", result=Envelope[Health], public=True)
    answers = Doc(
        id="ready",
        tag="Server",
        summary="Does the default model answer?",
        result=Envelope[Readiness],
        raises=[ModelNotReady],
        public=True,
    )
    return [
        Operation("GET", "/health", health, alive),
        Operation("GET", "/healthz", health, replace(alive, id="healthz")),
        Operation("GET", "/ready", ready, answers),
    ]
