"""`fireside rm`: take a model off this machine."""

import sys
from typing import Annotated

import typer

from fireside.cli.common import DataDir, Model, find_model
from fireside.cli.format import size_text


def rm(
    model: Model,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Delete a model's files.

    Deletes the download and the repacked weights made from it. A model that a running server has loaded is not
    deleted: unload it first with `fireside stop MODEL`. For a model used from its own folder, only the repacked
    weights are deleted. Fine-tunes are kept.

    \b
    Examples:
      fireside rm openhermes
      fireside rm mistral-7b-instruct --yes
    """
    from fireside.catalog.loader import Catalog
    from fireside.cli.client import states
    from fireside.errors import ConfigError
    from fireside.serving.removal import files_of, freed_bytes, remove
    from fireside.settings import load_settings

    settings = load_settings(data_dir=data_dir)
    spec = find_model(Catalog.from_settings(settings), model)
    for server, state in states(settings.data_dir):
        if spec.id in [loaded["id"] for loaded in state["models"]]:
            raise ConfigError(f"The server at {server.url} has {spec.id} in memory. First: fireside stop {spec.id}")
    files = files_of(spec, settings)
    if not files:
        typer.echo(f"Nothing of {spec.id} is here to delete.")
        return
    if not yes:
        if not sys.stdin.isatty():
            raise ConfigError(f"This deletes {size_text(freed_bytes(files))} of {spec.id}. Confirm with --yes")
        typer.confirm(f"Delete {spec.id} ({size_text(freed_bytes(files))})?", abort=True)
    typer.echo(f"Deleted {spec.id}: {size_text(remove(spec, settings))} are free again.")
