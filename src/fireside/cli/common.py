"""What several commands share."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

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
NoPull = Annotated[bool, typer.Option("--no-pull", help="Fail rather than download a model that is not here.")]


def find_model(catalog: "Catalog", name: str) -> "ModelSpec":
    """The model of this id or alias, or the only one that has one ending in /NAME.

    Raises InvalidModelId, UnknownModel.
    """
    if "/" not in name:
        end = f"/{name}".lower()
        found = [spec for spec in catalog.all() if any(own.lower().endswith(end) for own in spec.names)]
        if len(found) == 1:
            return found[0]
        fault = f"{len(found)} models are" if found else "No model is"
        raise UnknownModel(f"{fault} called {name!r}. `fireside models` lists them; give the whole id.")
    return catalog.get(name)


def open_store(settings: "Settings") -> "Store":
    """The database of the settings. Raises ConfigError."""
    from fireside.store.store import Store

    return Store(settings.database_url or store_path(settings))


def store_path(settings: "Settings") -> Path:
    """Where the database is when no URL names another."""
    return settings.data_dir / "fireside.db"


def fetch(spec: "ModelSpec", settings: "Settings", no_pull: bool) -> None:
    """Download the model, showing how far it is, unless it is here. Raises ModelNotDownloaded, DownloadFailed."""
    from fireside.weights.locate import is_downloaded, locate

    if no_pull:
        locate(settings.data_dir, spec)
    elif not is_downloaded(settings.data_dir, spec):
        from fireside.cli.progress import shown_progress
        from fireside.weights.download.pull import pull

        with shown_progress() as progress:
            pull(spec, settings.data_dir, progress)


def size_text(size: float) -> str:
    """Bytes as people read them, in powers of ten: "92.9 MB"."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000 or unit == "GB":
            break
        size /= 1000
    return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"


def time_text(moment: datetime) -> str:
    """A moment in UTC to the minute: "2026-11-21 10:47Z"."""
    return f"{moment:%Y-%m-%d %H:%M}Z"
