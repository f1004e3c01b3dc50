"""`fireside stop`: end a server, or take a model out of its memory."""

import time
from typing import TYPE_CHECKING, Annotated

import typer

from fireside.cli.common import DataDir, find_model
from fireside.cli.completion import complete_models

if TYPE_CHECKING:
    from pathlib import Path

    from fireside.running import RunningServer

POLL_SECONDS = 0.1


def stop(
    model: Annotated[
        str | None,
        typer.Argument(
            help="Unload this model and leave the server running.",
            show_default="end the server",
            autocompletion=complete_models,
        ),
    ] = None,
    url: Annotated[
        str | None,
        typer.Option(
            help="The server's URL, as `fireside ps` shows it, if several are running.", show_default="the only one"
        ),
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Stop the running server, or unload a model.

    A server stops once running answers are finished, at the latest after FIRESIDE_DRAIN_SECONDS; this command waits for
    it. The next request for an unloaded model loads it again.

    \b
    Examples:
      fireside stop
      fireside stop mistral-7b-instruct
      fireside stop --url http://127.0.0.1:9000
    """
    from fireside.cli.client import ask, model_path
    from fireside.settings import load_settings

    settings = load_settings(data_dir=data_dir)
    if model is not None:
        from fireside.catalog.loader import Catalog

        spec = find_model(Catalog.from_settings(settings), model)
        server = _only(settings.data_dir, url)
        if ask(server, model_path(spec.id), "DELETE")["unloaded"]:
            typer.echo(f"{spec.id} is no longer in the memory of {server.url}.")
        else:
            typer.echo(f"{spec.id} was not in the memory of {server.url}.")
        return
    server = _only(settings.data_dir, url)
    ask(server, "/api/server/stop", "POST")
    _wait(settings.data_dir, server)
    typer.echo(f"The server at {server.url} has ended.")


def _only(data_dir: "Path", url: str | None) -> "RunningServer":
    """The server that is meant. Raises ConfigError when there is none, or more than one."""
    from fireside.errors import ConfigError
    from fireside.running import running_servers

    running = running_servers(data_dir)
    found = [server for server in running if url in (None, server.url)]
    if len(found) == 1:
        return found[0]
    where = ", ".join(server.url for server in running)
    if not running:
        raise ConfigError("No server runs on this data folder.")
    if not found:
        raise ConfigError(f"No server of this data folder runs at {url}. These do: {where}.")
    raise ConfigError(f"{len(found)} servers run on this data folder: {where}. Say which: --url URL")


def _wait(data_dir: "Path", server: "RunningServer") -> None:
    from fireside.running import running_servers

    while server in running_servers(data_dir):
        time.sleep(POLL_SECONDS)
