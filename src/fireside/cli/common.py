"""What several commands share."""

import difflib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fireside.cli.completion import complete_models
from fireside.errors import UnknownModel

if TYPE_CHECKING:
    from fireside.catalog.loader import Catalog
    from fireside.catalog.spec import ModelSpec
    from fireside.settings import Settings
    from fireside.store.store import Store

DataDir = Annotated[
    Path | None,
    typer.Option(help="Folder for models, caches and the database.", show_default="the platform's place for user data"),
]
Model = Annotated[
    str,
    typer.Argument(
        help="Its id, an alias, or an unambiguous part of either.",
        metavar="MODEL",
        autocompletion=complete_models,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
NoPull = Annotated[bool, typer.Option("--no-pull", help="Fail instead of downloading a missing model.")]


def find_model(catalog: "Catalog", name: str) -> "ModelSpec":
    """The model of this id or alias; else the only one that has a name ending in /NAME, or NAME anywhere in a name.

    Raises UnknownModel, which lists the models that NAME could mean.
    """
    wanted, specs = name.lower(), catalog.all()
    for is_meant in (wanted.__eq__, lambda own: own.endswith(f"/{wanted}"), lambda own: wanted in own):
        found = [spec for spec in specs if any(is_meant(own.lower()) for own in spec.names)]
        if len(found) == 1:
            return found[0]
        if found and wanted:
            ids = ", ".join(spec.id for spec in found)
            raise UnknownModel(f"{len(found)} models have {name!r} in their names: {ids}. Give more of the name.")
    near = _close_to(wanted, specs)
    hint = f"Did you mean {' or '.join(near)}? " if near else ""
    raise UnknownModel(f"No model is called {name[:200]!r}. {hint}`fireside models` lists all.")


def _close_to(wanted: str, specs: "list[ModelSpec]") -> list[str]:
    """Ids of the models with a name, or a word of one, that is spelled nearly so."""
    words = {spec.id: {word for own in spec.names for word in (own.lower(), *_parts(own))} for spec in specs}
    close = difflib.get_close_matches(wanted[:200], set().union(*words.values()), n=3, cutoff=0.7)
    return [model for model, its in words.items() if its.intersection(close)]


def _parts(name: str) -> list[str]:
    last = name.lower().rpartition("/")[2]
    return [last, *(word for word in re.split(r"[-_.]", last) if len(word) > 3)]


def open_store(settings: "Settings") -> "Store":
    """The database of the settings. Raises ConfigError."""
    from fireside.store.store import Store

    return Store(settings.database_url or store_path(settings))


def store_path(settings: "Settings") -> Path:
    """Where the database is when no URL names another."""
    return settings.data_dir / "fireside.db"


def fetch(spec: "ModelSpec", settings: "Settings", no_pull: bool) -> None:
    """Download the model, showing how far it is, unless it is here.

    Raises ModelNotDownloaded, and DownloadFailed, also for a model that this machine has too little memory or disk for.
    """
    from fireside.weights.locate import is_downloaded, locate

    if no_pull:
        locate(settings.data_dir, spec)
    elif not is_downloaded(settings.data_dir, spec):
        from fireside.cli.progress import shown_progress
        from fireside.serving.costs import check_fits
        from fireside.weights.download.pull import pull

        check_fits(spec, settings)
        with shown_progress() as progress:
            pull(spec, settings.data_dir, progress)
