"""Puts the routes together."""

from starlette.exceptions import HTTPException
from starlette.routing import Router
from starlette.types import ASGIApp, Receive, Scope, Send

from fireside.api import account, binding, finetunes, health, home, models, run
from fireside.api.auth import Guard, check_exposure
from fireside.api.boundary import Boundary
from fireside.api.context import Context
from fireside.api.openai import errors as openai_errors
from fireside.api.openai import routes as openai
from fireside.finetunes.service import FineTunes
from fireside.functions.sandbox import Sandbox
from fireside.serving.types import TextService
from fireside.settings import Settings
from fireside.store.store import Store


def create_router(context: Context) -> Router:
    """All routes, with neither guard nor error handling."""
    resources = (home, health, account, models, finetunes, binding, run, openai)
    routes = [route for resource in resources for route in resource.routes(context)]
    return Router(routes, redirect_slashes=False, default=_not_found)


def create_app(settings: Settings, service: TextService, store: Store) -> ASGIApp:
    """The whole HTTP API as an ASGI application. Raises ConfigError when it would lie open to the network.

    Also when the blob store's URL is wrong.
    """
    check_exposure(settings, store)
    tuned = FineTunes(settings, store.finetunes, service.models())
    tuned.sweep()
    sandbox = Sandbox(settings.function_seconds, settings.function_memory_mb)
    router = create_router(Context(settings, service, store, tuned, sandbox))
    forms = {binding.PATHS: binding.error_answer, openai_errors.PATHS: openai_errors.error_answer}
    return Boundary(router, Guard(settings, store), forms)


async def _not_found(scope: Scope, receive: Receive, send: Send) -> None:
    raise HTTPException(404)
