"""The site: it builds without a warning, has every page, and asks no other server for anything."""

import re
import tomllib
from collections.abc import Iterator
from html import unescape
from pathlib import Path

from support.documents import ROOT, pages

CONFIG = tomllib.loads((ROOT / "zensical.toml").read_text(encoding="utf-8"))["project"]


def navigated(entries: list[dict[str, object]]) -> Iterator[str]:
    """The pages that a part of the navigation names."""
    for entry in entries:
        for target in entry.values():
            if isinstance(target, list):
                yield from navigated(target)
            else:
                yield str(target)


def test_every_page_is_in_the_navigation_once() -> None:
    pages = sorted(path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md"))
    assert sorted(navigated(CONFIG["nav"])) == pages


def test_every_page_is_built(docs_site: Path) -> None:
    for page in navigated(CONFIG["nav"]):
        folder = docs_site if page == "index.md" else docs_site / page.removesuffix(".md")
        title = re.search(r"^# (.+)$", (ROOT / "docs" / page).read_text(encoding="utf-8"), re.MULTILINE)
        assert title, page
        heading = re.search(r"<h1[^>]*>([^<]*)", (folder / "index.html").read_text(encoding="utf-8"))
        assert heading, page
        assert unescape(heading[1]) == title[1]


def test_pages_load_nothing_from_elsewhere(docs_site: Path) -> None:
    for html in docs_site.rglob("*.html"):
        text = html.read_text(encoding="utf-8")
        loaded = re.findall(r"<(?:script|img|iframe|source)\b[^>]*\bsrc=\"([^\"]*)", text)
        loaded += re.findall(r"<link\b(?=[^>]*rel=\"(?:stylesheet|icon|pre))[^>]*\bhref=\"([^\"]*)", text)
        assert loaded, html
        assert [address for address in loaded if re.match(r"(https?:)?//", address)] == []


def test_every_column_of_a_table_has_a_name() -> None:
    for page in pages():
        heads = re.findall(r"^(\|.*\|)\n\|[-:| ]+\|$", page.read_text(encoding="utf-8"), re.MULTILINE)
        for head in heads:
            assert all(name.strip() for name in head.strip("|").split("|")), f"{page.name}: {head}"
