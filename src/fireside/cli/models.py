"""`fireside models`: what the catalog has."""

import typer

from fireside.cli.common import DataDir, size_text


def models(data_dir: DataDir = None) -> None:
    """List the models, which of them are on this machine, and what each costs: before anything is fetched.

    FETCH is the download, DISK the files with the repacked weights that the first load adds, MEMORY one conversation of
    4,096 tokens. TOKENS/S is about the most that one answer reaches here, as fast as this machine reads its memory.

    Add your own with a TOML file in DATA_DIR/catalog (or the folder FIRESIDE_CATALOG_DIR).

    \b
    Examples:
      fireside models
      fireside models | grep yes
    """
    from rich.table import Table

    from fireside.catalog.loader import Catalog
    from fireside.catalog.spec import NoSource
    from fireside.cli.tables import show
    from fireside.serving.costs import cost_of
    from fireside.settings import load_settings
    from fireside.weights.locate import is_downloaded

    settings = load_settings(data_dir=data_dir)

    def size(amount: int | None) -> str:
        return "?" if amount is None else size_text(amount) if amount else "-"

    table = Table("MODEL", "DOWNLOADED", box=None, pad_edge=False)
    for heading in ("FETCH", "DISK", "MEMORY", "TOKENS/S"):
        table.add_column(heading, justify="right")
    table.add_column("CONTEXT", justify="right")
    table.add_column("LORA")
    missing = False
    for spec in Catalog.from_settings(settings).all():
        here = is_downloaded(settings.data_dir, spec)
        missing = missing or not here
        state = "not needed" if isinstance(spec.source, NoSource) else "yes" if here else "no"
        lora = "yes" if spec.lora else "no"
        cost = cost_of(spec, settings.data_dir)
        speed = cost.tokens_per_second()
        sizes = [size(amount) for amount in (cost.download, cost.disk, cost.memory)]
        about = "-" if speed is None else f"{speed:.2g}"
        table.add_row(spec.id, state, *sizes, about, f"{spec.context_length:,}", lora)
    show(table)
    if missing:
        typer.echo("\nDownload one: fireside pull MODEL", err=True)
