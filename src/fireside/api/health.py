"""`GET /health` (the process lives) and `GET /ready` (the default model answers). Both are open to everybody."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from fireside import __version__
from fireside.api.context import Context
from fireside.api.envelope import answer
from fireside.errors import ModelNotReady


def routes(context: Context) -> list[Route]:
    """Health and readiness."""

    async def health(request: Request) -> Response:
        return answer({"status": "ok", "version": __version__})

    async def ready(request: Request) -> Response:
        model = context.settings.default_model
        status = await context.service.status(model)
        if status.state != "ready":
            progress = "" if status.progress is None else f" ({status.progress:.0%})"
            # Not why it failed: that may name files of this machine, and anybody may ask here.
            raise ModelNotReady(f"The model {model} is {status.state}{progress}.")
        return answer({"status": "ready", "model": model})

    return [Route("/health", health), Route("/healthz", health), Route("/ready", ready)]
