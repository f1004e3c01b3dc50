"""Assembles the application from its routes."""

from importlib.util import find_spec

from starlette.exceptions import HTTPException
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from fireside.api.batches import Batches
from fireside.api.context import Context, Control
from fireside.api.http.auth import Guard, check_exposure
from fireside.api.http.boundary import Boundary
from fireside.api.http.cors import with_cors
from fireside.api.http.underway import UnderWay
from fireside.api.openai import endpoints, error_body
from fireside.api.routes import account, binding, control, finetune_files, health, models, page_data, run
from fireside.api.schema import openapi
from fireside.errors import ConfigError, missing_extra
from fireside.finetunes.service import FineTunes
from fireside.functions.reader import FunctionReader
from fireside.functions.sandbox import Sandbox
from fireside.lockdown import can_lock_down
from fireside.serving.downloads import Downloads
from fireside.serving.types import TextService
from fireside.settings import Settings
from fireside.store.store import Store
from fireside.web import pages


def all_routes(context: Context) -> list[Route]:
    """All routes, one for each path and method."""
    resources = (health, account, models, finetune_files, binding, run, endpoints, page_data, control)
    routes = [route for resource in resources for route in resource.routes(context)]
    return [*pages.routes(), *routes, *openapi.routes(routes)]


def create_router(context: Context) -> Router:
    """All routes, without authentication or error handling."""
    by_path: dict[str, list[Route]] = {}
    for route in all_routes(context):
        by_path.setdefault(route.path, []).append(route)
    joined = [_join(routes) for routes in by_path.values()]
    return Router(joined, redirect_slashes=False, default=_not_found)


def _join(routes: list[Route]) -> Route:
    """One route for a path with several methods: the router's answer to any other method then names all of them."""
    apps = {method: route.app for route in routes for method in route.methods or ()}

    class ByMethod:
        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            await apps[scope["method"]](scope, receive, send)

    return routes[0] if len(routes) == 1 else Route(routes[0].path, ByMethod(), methods=list(apps))


def create_app(settings: Settings, service: TextService, store: Store, commands: Control | None = None) -> ASGIApp:
    """The whole HTTP API as an ASGI application.

    Args:
        commands: what the commands on this machine may ask for; None for nothing.

    Raises ConfigError when it would lie open to the network, when the blob store's URL is wrong, and when functions are
    to run without what runs them.
    """
    check_exposure(settings, store)
    if settings.functions:
        _check_sandbox()
    tuned = FineTunes(settings, store.finetunes, service.models())
    tuned.sweep()
    sandbox = Sandbox(settings.function_seconds, settings.function_memory_mb)
    context = Context(
        settings,
        service,
        store,
        tuned,
        Downloads(settings),
        sandbox,
        FunctionReader(sandbox),
        Batches(settings),
        commands,
    )
    error_renderers = {binding.PATHS: binding.error_answer, error_body.PATHS: error_body.error_answer}
    boundary = Boundary(
        create_router(context),
        Guard(settings, store, None if commands is None else commands.secret),
        UnderWay(settings, store),
        error_renderers,
    )
    return with_cors(boundary, settings)


def _check_sandbox() -> None:
    if find_spec("wasmtime") is None:
        raise missing_extra("Functions (FIRESIDE_FUNCTIONS)", "functions")
    if not can_lock_down():
        raise ConfigError(
            "Functions require a kernel that filters system calls (seccomp, on x86-64 or ARM64), and this one "
            "refuses. Allow it in the container's profile, or turn FIRESIDE_FUNCTIONS off."
        )


async def _not_found(scope: Scope, receive: Receive, send: Send) -> None:
    raise HTTPException(404)
