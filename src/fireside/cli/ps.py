"""`fireside ps`: what runs."""

import typer

from fireside.cli.common import AsJson, DataDir
from fireside.cli.format import size_text


def ps(as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """List running servers and their models.

    Lists the servers on the data folder, with the memory each uses and the requests each is running.

    \b
    Examples:
      fireside ps
      fireside ps --json
    """
    from rich.table import Table

    from fireside.cli.client import states
    from fireside.cli.tables import show, show_json
    from fireside.settings import load_settings

    found = states(load_settings(data_dir=data_dir).data_dir)
    if as_json:
        show_json([{"url": server.url, "pid": server.pid, **state} for server, state in found])
        return
    if not found:
        typer.echo("No server runs on this data folder. Start one: fireside serve", err=True)
        return
    table = Table("SERVER", "PID", "UP", "MODEL", "STATE", box=None, pad_edge=False)
    for heading in ("MEMORY", "RUNNING", "WAITING"):
        table.add_column(heading, justify="right")
    for server, state in found:
        up, memory = duration_text(state["uptime_seconds"]), _memory(state["memory_bytes"])
        table.add_row(server.url, str(server.pid), up, "(the server itself)", "ready", memory, "-", "-")
        for model in state["models"]:
            stats, share = model["stats"], model["progress"]
            shown = model["state"] if share is None else f"{model['state']} {share:.0%}"
            counts = ["-", "-", "-"] if stats is None else [_memory(stats["memory"]), *_counts(stats)]
            table.add_row("", "", "", model["id"], shown, *counts)
    show(table)


def duration_text(seconds: float) -> str:
    """A time span as people say it: "42 s", "7 min", "3 h", "2 d"."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def _memory(amount: int) -> str:
    return size_text(amount) if amount else "?"


def _counts(stats: dict[str, int]) -> list[str]:
    return [str(stats["running"]), str(stats["waiting"])]
