"""What only the web pages ask: models with their states, downloads, and what a model would read. `/api/…`.

Made for the pages of the same version and may change with them; programs use `/client/v4/…`.
"""

import asyncio
from dataclasses import replace
from functools import cache
from importlib.metadata import metadata
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from fireside import __version__
from fireside.api.context import Context
from fireside.api.http.auth import account_of
from fireside.api.http.body import read_body
from fireside.api.http.envelope import answer
from fireside.api.http.scopes import check_scope, has_scope
from fireside.api.routes.models import describe
from fireside.api.schema.run_input import parse_input, to_request
from fireside.catalog.spec import ModelSpec, WheelSource
from fireside.prompting.prompt import default_system, format_of
from fireside.serving.costs import cost_of, problem_of
from fireside.serving.types import ModelStatus
from fireside.settings import Settings

_MODEL = "/api/models/{model:path}"


def routes(context: Context) -> list[Route]:
    """States, downloads, previews."""
    routes = _Routes(context)
    return [
        Route("/api/models", routes.list_models),
        Route(f"{_MODEL}/download", routes.start_download, methods=["POST"]),
        Route(f"{_MODEL}/download", routes.stop_download, methods=["DELETE"]),
        Route(f"{_MODEL}/preview", routes.preview, methods=["POST"]),
    ]


class _Routes:
    def __init__(self, context: Context) -> None:
        self._context = context

    async def list_models(self, request: Request) -> Response:
        settings, specs = self._context.settings, self._context.service.models()
        server = {
            "version": __version__,
            "default_model": settings.default_model,
            "finetune_max_mb": settings.finetune_max_mb,
            "documentation": _documentation(),
        }
        models = await asyncio.gather(*(self._describe(spec, request) for spec in specs))
        return answer({"server": server, "models": models})

    async def start_download(self, request: Request) -> Response:
        spec = self._writable(request)
        await asyncio.to_thread(self._context.downloads.start, spec)
        return answer(await self._describe(spec, request))

    async def stop_download(self, request: Request) -> Response:
        spec = self._writable(request)
        await asyncio.to_thread(self._context.downloads.stop, spec)
        return answer(await self._describe(spec, request))

    async def preview(self, request: Request) -> Response:
        check_scope(request.state.grant, "run")
        body = await read_body(request.scope, request.receive, self._context.settings)
        parsed = await body.parse(parse_input)
        wanted = to_request(request.path_params["model"], parsed, account_of(request))
        seen = await self._context.service.preview(wanted)
        pieces = [{"text": piece.text, "control": piece.control} for piece in seen.pieces]
        return answer({"model": seen.model, "pieces": pieces, "tokens": seen.tokens})

    def _writable(self, request: Request) -> ModelSpec:
        """The model of the path, if the request may change what is on this machine."""
        check_scope(request.state.grant, "admin")
        return self._context.exact_model(request.path_params["model"])

    async def _describe(self, spec: ModelSpec, request: Request) -> dict[str, Any]:
        settings, service, downloads = self._context.settings, self._context.service, self._context.downloads
        answering = service.resolve(spec.id).id
        context_length = min(settings.context_length or spec.context_length, spec.context_length)
        return {
            **msgspec.to_builtins(describe(spec)),
            "context_length": context_length,
            "lora": spec.lora,
            "beta": spec.beta,
            "retired": spec.retired,
            "license": spec.license,
            "prompt_style": spec.prompt.style,
            "prompt_style_title": format_of(spec.prompt).title,
            "default_system": default_system(spec.prompt),
            "answered_by": None if answering == spec.id else answering,
            "can_download": downloads.can_fetch(spec),
            "download_bytes": spec.source.size if isinstance(spec.source, WheelSource) else spec.download_bytes,
            "costs": await asyncio.to_thread(_costs, spec, settings),
            **await self._state(spec, request),
        }

    async def _state(self, spec: ModelSpec, request: Request) -> dict[str, Any]:
        """What it is doing. How much of it, which all accounts have a part in, is for tokens with the scope admin."""
        status = await self._context.service.status(spec.id)
        download = self._context.downloads.status(spec)
        if not has_scope(request.state.grant, "admin"):
            status = replace(status, stats=None)
        if status.state == "idle" and status.detail:
            status = ModelStatus("failed", f"{status.detail} The next request tries again.")
        if status.state != "not-downloaded" or download is None:
            return _state(status)
        if download.error is not None:
            return _state(ModelStatus("failed", download.error))
        share = download.done / download.total if download.total else None
        progress = {"phase": download.phase, "share": share, "done": download.done, "total": download.total}
        return {"state": "downloading", "detail": download.phase, "progress": progress, "stats": None}


def _costs(spec: ModelSpec, settings: Settings) -> dict[str, Any]:
    """Bytes and tokens per second, null where they are not known; `problem` says why the model cannot run here."""
    cost, speed = cost_of(spec, settings.data_dir), None
    if cost.step:
        speed = cost.tokens_per_second()
    return {
        "download_bytes": cost.download,
        "disk_bytes": cost.disk,
        "memory_bytes": cost.memory,
        "tokens_per_second": None if speed is None else round(speed, 1),
        "problem": problem_of(spec, settings),
    }


@cache
def _documentation() -> str | None:
    """Address of the documentation, if the installed package names one."""
    named = [url.partition(", ") for url in metadata("fireside").get_all("Project-URL") or ()]
    return next((address for label, _, address in named if label == "Documentation"), None)


def _state(status: ModelStatus) -> dict[str, Any]:
    progress = None
    if status.state == "loading":
        progress = {"phase": status.detail, "share": status.progress, "done": 0, "total": 0}
    stats = None if status.stats is None else msgspec.to_builtins(status.stats)
    return {"state": status.state, "detail": status.detail, "progress": progress, "stats": stats}
