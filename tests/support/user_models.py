"""Models that a user adds: a TOML file in the catalog folder, and for weights a folder."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from fireside.catalog.loader import Catalog
from fireside.serving.service import Service
from fireside.settings import Settings


def add_model(
    data_dir: Path,
    name: str,
    *,
    folder: Path | None = None,
    context_length: int = 4096,
    max_num_seqs: int = 4,
    style: str = "plain",
    stop: Sequence[str] = (),
    architecture: str = "",
    lora: bool = False,
) -> str:
    """Write the TOML file of an echo model, or of one whose weights are in `folder`; returns its id."""
    source = 'kind = "none"' if folder is None else f'kind = "folder"\npath = "{folder}"'
    texts = ", ".join(f'"{text}"' for text in stop)
    lines = f"""
id = "@hf/me/{name}"
context_length = {context_length}
lora = {"true" if lora else "false"}
[source]
{source}
[prompt]
style = "{style}"
stop = [{texts}]
[engine]
kind = "{"echo" if folder is None else "onnx"}"
max_num_seqs = {max_num_seqs}
{architecture}
"""
    path = data_dir / "catalog" / f"{name}.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(lines, encoding="utf-8")
    return f"@hf/me/{name}"


def settings_for(data_dir: Path, **values: object) -> Settings:
    return Settings(**{"data_dir": data_dir, "threads": 1, **values})  # type: ignore[arg-type]


def catalog_of(settings: Settings) -> Catalog:
    return Catalog.from_settings(settings)


@asynccontextmanager
async def opened(data_dir: Path, **values: object) -> AsyncIterator[Service]:
    """A service of the models in the folder; its engines end with it."""
    settings = settings_for(data_dir, **values)
    service = Service(settings, catalog_of(settings))
    try:
        yield service
    finally:
        await service.close()
