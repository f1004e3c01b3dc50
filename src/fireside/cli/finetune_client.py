"""What `fireside finetune` does."""

import asyncio
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import typer
from pydantic import ValidationError

from fireside.api.schema.run_input import parse_input, to_request
from fireside.catalog.loader import Catalog
from fireside.catalog.spec import HubSource
from fireside.cli.answer import print_pieces
from fireside.cli.common import fetch, find_model, open_store
from fireside.engine.types import Adapter
from fireside.errors import ConfigError, FineTuneMismatch
from fireside.finetunes.checks import FILE_NAMES
from fireside.finetunes.service import FineTunes
from fireside.serving.service import Service
from fireside.serving.types import TextRequest
from fireside.settings import Settings, load_settings
from fireside.store.finetune_records import FineTune
from fireside.weights.download.hub import fetch_files, list_files
from fireside.weights.download.progress import Progress


@dataclass(frozen=True, slots=True)
class Tools:
    """What the commands work with."""

    settings: Settings
    catalog: Catalog
    finetunes: FineTunes


@contextmanager
def opened(data_dir: Path | None) -> Iterator[Tools]:
    """The data folder's database and catalog. Raises ConfigError, CatalogError."""
    settings = load_settings(data_dir=data_dir)
    catalog = Catalog.from_settings(settings)
    with open_store(settings) as store:
        yield Tools(settings, catalog, FineTunes(settings, store.finetunes, catalog.all()))


def create_from(
    tools: Tools,
    account: str,
    name: str,
    source: str,
    progress: Progress,
    *,
    model: str | None,
    description: str,
    public: bool,
    replace: bool,
) -> FineTune:
    """Make the fine-tune, or with `replace` find it, and take both files in. A new one that fails is taken away again.

    Raises FiresideError leaves.
    """
    with _files_of(source, progress) as folder:
        if replace:
            finetune = tools.finetunes.get(account, name)
            if model is not None and finetune.model not in find_model(tools.catalog, model).names:
                raise FineTuneMismatch(f"The fine-tune {name!r} is for {finetune.model}; make another for {model}.")
        else:
            spec = find_model(tools.catalog, model or tools.settings.default_model)
            finetune = tools.finetunes.create(account, model=spec, name=name, description=description, public=public)
        try:
            for number, file in enumerate(FILE_NAMES):
                progress(f"Checking and storing {file}", number, 0)
                finetune = tools.finetunes.upload(account, finetune.id, file, folder / file)
        except BaseException:
            if not replace:
                tools.finetunes.delete(account, finetune.id)
            raise
    tools.finetunes.sweep()
    return finetune


@contextmanager
def _files_of(source: str, progress: Progress) -> Iterator[Path]:
    """A folder with both files: the one named, or a temporary one with a repository's."""
    folder = Path(source).expanduser()
    if folder.is_dir():
        if missing := [name for name in FILE_NAMES if not (folder / name).is_file()]:
            raise ConfigError(
                f"The folder {folder} has no {' and no '.join(missing)}. PEFT's save_pretrained makes both."
            )
        yield folder
        return
    repo, _, revision = source.partition("@")
    try:
        hub = HubSource(kind="huggingface", repo=repo, revision=revision or "main", files=FILE_NAMES)
    except ValidationError:
        raise ConfigError(f"{source} is neither a folder nor a Hugging Face repository such as author/name.") from None
    fetched = Path(tempfile.mkdtemp(prefix="fireside-adapter-"))
    try:
        fetch_files(hub, list_files(hub, None), fetched, progress, None)
        yield fetched
    finally:
        shutil.rmtree(fetched, ignore_errors=True)


def compare(tools: Tools, account: str, reference: str, body: dict[str, object], *, no_pull: bool) -> None:
    """Print the base model's answer and the fine-tune's. Raises FiresideError leaves."""
    finetune = tools.finetunes.get(account, reference)
    spec = tools.catalog.get(finetune.model)
    parsed = parse_input(body)
    local = tools.finetunes.local(account, reference, spec)
    fetch(spec, tools.settings, no_pull)
    adapter = Adapter(local.version, str(local.folder))
    answers = {
        f"Without {finetune.name}": to_request(spec.id, parsed, account),
        f"With {finetune.name}": to_request(spec.id, parsed, account, adapter),
    }
    # A stand-in's answer would show nothing about this model.
    settings = tools.settings.model_copy(update={"stand_in": None})
    asyncio.run(_print_all(Service(settings, tools.catalog), answers))


async def _print_all(service: Service, answers: dict[str, TextRequest]) -> None:
    try:
        for title, request in answers.items():
            typer.echo(f"--- {title}")
            model = request.model
            await print_pieces(
                service.generate(request), model, partial(service.load, model), partial(service.status, model)
            )
    finally:
        await service.close()
