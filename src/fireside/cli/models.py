"""`fireside models`: what the catalog has."""

import typer

from fireside.cli.common import DataDir, size_text


def models(data_dir: DataDir = None) -> None:
    """List the models, and which of them are on this machine.

    Add your own with a TOML file in DATA_DIR/catalog (or the folder FIRESIDE_CATALOG_DIR).

    \b
    Examples:
      fireside models
      fireside models | grep yes
    """
    from rich.table import Table

    from fireside.catalog.loader import Catalog
    from fireside.catalog.spec import ModelSpec, NoSource, WheelSource
    from fireside.cli.tables import show
    from fireside.settings import load_settings
    from fireside.weights.locate import is_downloaded, size_on_disk

    settings = load_settings(data_dir=data_dir)

    def size(spec: ModelSpec, here: bool) -> str:
        if isinstance(spec.source, NoSource):
            return "-"
        if here:
            return size_text(size_on_disk(settings.data_dir, spec))
        return size_text(spec.source.size) if isinstance(spec.source, WheelSource) else "?"

    table = Table("MODEL", "TASK", "DOWNLOADED", box=None, pad_edge=False)
    table.add_column("SIZE", justify="right")
    table.add_column("CONTEXT", justify="right")
    table.add_column("LORA")
    missing = False
    for spec in Catalog.from_settings(settings).all():
        here = is_downloaded(settings.data_dir, spec)
        missing = missing or not here
        state = "not needed" if isinstance(spec.source, NoSource) else "yes" if here else "no"
        lora = "yes" if spec.lora else "no"
        table.add_row(spec.id, "Text Generation", state, size(spec, here), f"{spec.context_length:,}", lora)
    show(table)
    if missing:
        typer.echo("\nDownload one: fireside pull MODEL", err=True)
