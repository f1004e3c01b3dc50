"""The part of the benchmarks that shows what another account sees of each attack."""

import statistics
import tempfile
from pathlib import Path

from rich.table import Table

from bench.attacks import ATTACKS
from bench.attacks.harness import Seen, attacked_server, observe
from bench.report import number, times

SECONDS = 6.0
FEW_FILES = ("prlimit", "--nofile=1024:1024")


def attacks_table(*, quick: bool) -> Table:
    """Run every attack, each on a server of its own (the echo engine, as fast as it can), and tell what was seen."""
    table = Table(title="A small request of another account (echo), while one account attacks")
    table.add_column("attack")
    for name in ("alone", "attacked", "", "p95", "/health", "slowest", "peak MB above idle", "and after"):
        table.add_column(name, justify="right")
    for name in ATTACKS:
        table.add_row(name.replace("_", " "), *_cells(_run(name, SECONDS / 3 if quick else SECONDS)))
    return table


def _run(name: str, seconds: float) -> Seen:
    prefix = FEW_FILES if name == "idle_connections" else ()
    with tempfile.TemporaryDirectory() as folder, attacked_server(Path(folder), prefix=prefix) as views:
        return observe(views, name, seconds)


def _cells(seen: Seen) -> list[str]:
    def ms(value: float) -> str:
        return f"{number(value)} ms"

    return [
        ms(statistics.median(seen.alone)),
        ms(statistics.median(seen.during)),
        times(seen.ratio),
        ms(sorted(seen.during)[int(0.95 * len(seen.during))]),
        ms(statistics.median(seen.health)),
        ms(max(seen.health)),
        number(seen.peak - seen.idle),
        number(max(0.0, seen.after - seen.idle)),
    ]
