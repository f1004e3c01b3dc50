"""Rows of the compatibility page: which client, in which version, did what against Fireside, and what came of it."""

import json
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from support.documents import ROOT

PAGE = ROOT / "docs" / "compatibility.md"

_HEAD = """\
# Compatibility

What real, unmodified clients did against Fireside: each line was written by a test in `tests/clients/` that ran the
client of that version, as its registry has it, with only base URL and token changed. `make compatibility` writes this
page; the tests fail when it is out of date.

| client | version | what was run | result |
|---|---|---|---|
"""


class Row(NamedTuple):
    """One line of the page."""

    client: str
    version: str
    ran: str
    result: str

    def line(self) -> str:
        cells = (" ".join(cell.split()).replace("|", "\\|").replace("<", "&lt;") for cell in self)
        return f"| {' | '.join(cells)} |"


def page(rows: Iterable[Row]) -> str:
    """The whole page."""
    return _HEAD + "".join(f"{line}\n" for line in sorted({row.line() for row in rows}, key=str.lower))


def lines(text: str) -> set[str]:
    """The rows of a page."""
    return set(text.removeprefix(_HEAD).splitlines())


def npm_version(folder: Path, package: str) -> str:
    """Version of a package in a folder's node_modules."""
    return str(json.loads((folder / "node_modules" / package / "package.json").read_bytes())["version"])


def python_version(package: str) -> str:
    """Version of a package in the environment of these tests."""
    return version(package)
