"""`fireside models`: what the catalog has."""

import typer

from fireside.cli.common import AsJson, DataDir
from fireside.cli.format import size_text


def models(as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """List the models and what each costs.

    Downloaded models come first. "no weights" marks retired models that Fireside cannot run: `fireside show MODEL` says
    why, and a stand-in can answer for them.

    FETCH is the download, DISK includes the repacked weights that the first load adds, MEMORY includes one conversation
    of 4,096 tokens. TOKENS/S estimates the fastest speed of one answer, from this machine's memory bandwidth.

    Add your own models with TOML files in DATA_DIR/catalog (or in FIRESIDE_CATALOG_DIR).

    \b
    Examples:
      fireside models
      fireside models | grep yes
      fireside models --json
    """
    from rich.table import Table

    from fireside.catalog.loader import Catalog
    from fireside.cli.model_facts import row_of
    from fireside.cli.tables import show, show_json
    from fireside.settings import load_settings

    settings = load_settings(data_dir=data_dir)
    rows = [row_of(spec, settings) for spec in Catalog.from_settings(settings).all()]
    rows.sort(key=lambda row: (row["unavailable"] is not None, not row["downloaded"], row["id"]))
    if as_json:
        show_json(rows)
        return
    table = Table("MODEL", "DOWNLOADED", box=None, pad_edge=False)
    for heading in ("FETCH", "DISK", "MEMORY", "TOKENS/S", "CONTEXT"):
        table.add_column(heading, justify="right")
    table.add_column("LORA")
    for row in rows:
        state = "yes" if row["downloaded"] else "no"
        if not row["needs_download"]:
            state = "no weights" if row["unavailable"] else "not needed"
        sizes = [_size(row[name]) for name in ("download_bytes", "disk_bytes", "memory_bytes")]
        speed = "-" if row["tokens_per_second"] is None else f"{row['tokens_per_second']:g}"
        table.add_row(row["id"], state, *sizes, speed, f"{row['context_length']:,}", "yes" if row["lora"] else "no")
    show(table)
    if not all(row["downloaded"] or row["unavailable"] for row in rows):
        typer.echo("\nDownload one: fireside pull MODEL. All about one: fireside show MODEL", err=True)


def _size(amount: int | None) -> str:
    return "?" if amount is None else size_text(amount) if amount else "-"
