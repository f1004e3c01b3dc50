"""Tables on standard output."""

from rich.console import Console
from rich.table import Table

_WIDTH = 10_000
"""Ids must stay whole, to be copied and to be read by programs: on a narrow terminal lines wrap, nothing is cut."""


def show(table: Table) -> None:
    """Print the table."""
    Console(width=_WIDTH, highlight=False, markup=False, emoji=False).print(table)
