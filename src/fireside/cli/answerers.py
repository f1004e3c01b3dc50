"""Who answers in the terminal: a server that runs already, or else an engine of the command's own."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from typing import Any, Protocol, cast

from fireside.api.http.wire_errors import WIRE_ERRORS
from fireside.api.schema.run_input import parse_input, to_request
from fireside.catalog.loader import Catalog
from fireside.catalog.spec import ModelSpec
from fireside.cli import client
from fireside.errors import ContextOverflow, FiresideError
from fireside.running import RunningServer, running_servers
from fireside.serving.service import Service
from fireside.serving.types import Delta, ModelState, ModelStatus
from fireside.settings import Settings

Body = Mapping[str, object]
"""A request's JSON object, as the API takes it; the same bounds hold."""


class Answerer(Protocol):
    """Answers with one model. Every method raises FiresideError leaves."""

    model: str
    """Its id."""

    where: str
    """In words, for people."""

    async def load(self) -> None:
        """Have the model in memory."""
        ...

    async def status(self) -> ModelStatus: ...

    def answer(self, body: Body) -> AsyncGenerator[Delta, None]:
        """The answer in pieces; closing the generator ends it."""
        ...

    async def close(self) -> None:
        """Give back what was taken."""
        ...


def choose_answerer(spec: ModelSpec, settings: Settings, catalog: Catalog, *, alone: bool) -> Answerer:
    """A server on the same data folder that knows the model, best one that has it in memory; else an own engine.

    Args:
        alone: an own engine in any case.
    """
    found = [] if alone else _servers_with(spec.id, settings.data_dir)
    return found[0] if found else OwnEngine(spec, settings, catalog)


def _servers_with(model: str, data_dir: Path) -> "list[ServersModel]":
    states: list[tuple[str, RunningServer]] = []
    for server in running_servers(data_dir):
        try:
            states.append((client.ask(server, client.model_path(model))["state"], server))
        except FiresideError:
            continue  # it is about to end, or has another catalog
    states.sort(key=lambda state: state[0] != "ready")
    return [ServersModel(server, model) for _, server in states]


class OwnEngine:
    """Implements `Answerer` without a server."""

    where = "loaded by this command"

    def __init__(self, spec: ModelSpec, settings: Settings, catalog: Catalog) -> None:
        self.model = spec.id
        self._service = Service(settings, catalog)

    async def load(self) -> None:
        await self._service.load(self.model)

    async def status(self) -> ModelStatus:
        return await self._service.status(self.model)

    def answer(self, body: Body) -> AsyncGenerator[Delta, None]:
        request = to_request(self.model, parse_input(dict(body)), "")
        return self._service.generate(request)

    async def close(self) -> None:
        await self._service.close()


class ServersModel:
    """Implements `Answerer` by a server that runs."""

    def __init__(self, server: RunningServer, model: str) -> None:
        self.where = f"by the server at {server.url}"
        self._server = server
        self.model = model

    async def load(self) -> None:
        await self._ask("POST")

    async def status(self) -> ModelStatus:
        said = await self._ask("GET")
        return ModelStatus(cast(ModelState, said["state"]), said["detail"], said["progress"])

    def answer(self, body: Body) -> AsyncGenerator[Delta, None]:
        return client.stream(self._server, self.model, body)

    async def close(self) -> None:
        pass

    async def _ask(self, method: str) -> dict[str, Any]:
        return await asyncio.to_thread(client.ask, self._server, client.model_path(self.model), method)


def is_overflow(error: FiresideError) -> bool:
    """Whether prompt and answer did not fit the context window."""
    return isinstance(error, ContextOverflow) or (
        isinstance(error, client.ServerRefused) and error.code == WIRE_ERRORS[ContextOverflow].code
    )
