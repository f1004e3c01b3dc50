"""What listing commands print on standard output: a table for people, JSON for scripts."""

import json

import typer
from rich.console import Console
from rich.table import Table

_WIDTH = 10_000
"""Ids must stay whole, to be copied and to be read by programs: on a narrow terminal lines wrap, nothing is cut."""


def show(table: Table) -> None:
    """Print the table."""
    Console(width=_WIDTH, highlight=False, markup=False, emoji=False).print(table)


def show_json(value: object) -> None:
    """Print the value as JSON: an array for a list, an object for one thing. Sizes in it are bytes."""
    typer.echo(json.dumps(value, indent=2))
