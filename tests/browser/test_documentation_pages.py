"""The documentation as readers see it: on a phone, in the dark, in forced colours, by keyboard."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from support.axe import faults
from support.docs_site import as_served
from support.file_server import file_server
from support.visitor import Visitor

LOOKS: dict[str, dict[str, Any]] = {
    "light": {"viewport": {"width": 1280, "height": 900}},
    "dark": {"viewport": {"width": 390, "height": 844}, "dark": True},
    "forced": {"viewport": {"width": 320, "height": 640}, "forced_colors": "active"},
}
WIDTHS = (320, 390, 700, 960, 1220, 1280, 1920)

TOO_WIDE = """() => [
    ...(document.documentElement.scrollWidth > innerWidth ? ["the page"] : []),
    ...[...document.querySelectorAll(".md-typeset table, .md-typeset__scrollwrap")]
        .filter((table) => table.scrollWidth > table.clientWidth + 1)
        .map((table) => table.innerText.slice(0, 60)),
]"""


@pytest.fixture
def reader(docs_site: Path, visit: Any) -> Iterator[Visitor]:
    with file_server() as server:
        server.files.update(as_served(docs_site))
        yield visit(server.url)


@pytest.fixture
def paths(docs_site: Path) -> list[str]:
    pages = (page.parent.relative_to(docs_site).as_posix() for page in docs_site.rglob("index.html"))
    return sorted(f"/{page}/".replace("/./", "/") for page in pages)


@pytest.mark.parametrize("look", LOOKS)
def test_axe_finds_nothing(look: str, reader: Visitor, paths: list[str]) -> None:
    assert len(paths) > 10
    found = {}
    for path in paths:
        page = reader.open(path, **LOOKS[look])
        page.locator("h1").wait_for()
        found[path] = faults(page)
        page.context.close()
    assert {path: told for path, told in found.items() if told} == {}


def test_nothing_is_wider_than_the_window(reader: Visitor, paths: list[str]) -> None:
    page = reader.open("/")
    for path in paths:
        page.goto(reader.url + path)
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 800})
            assert page.evaluate(TOO_WIDE) == [], f"{path} at {width}"


def test_a_table_on_a_phone_names_its_columns_and_stays_a_table(reader: Visitor) -> None:
    page = reader.open("/configuration/", phone=True)
    row = page.get_by_role("table").get_by_role("row").filter(has_text="FIRESIDE_PORT")
    cell = row.get_by_role("cell").nth(1)
    expect(cell).to_have_text("8787")
    assert page.evaluate("(cell) => getComputedStyle(cell, '::before').content", cell.element_handle()) == '"default: "'


def test_the_menu_opens_by_keyboard(reader: Visitor) -> None:
    page = reader.open("/", phone=True)
    menu = page.get_by_role("button", name="Navigation")
    menu.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("navigation").get_by_text("Reference", exact=True).first).to_be_in_viewport()


def test_search_finds_a_setting(reader: Visitor) -> None:
    page = reader.open("/")
    field = page.get_by_role("combobox", name="Search")
    found = page.get_by_text(re.compile(r"^\d+ results?"))
    for _ in range(100):  # keys before the script listens, and words before the index is there, are lost
        if not field.is_visible():
            page.keyboard.press("Control+k")
        elif not found.is_visible():
            field.fill("")
            field.press_sequentially("FIRESIDE_WRITE_TIMEOUT")
        else:
            break
        page.wait_for_timeout(300)
    expect(found).to_be_visible()
    page.keyboard.press("Enter")
    page.wait_for_url("**/configuration/**")


def test_light_and_dark_by_system_and_by_choice(reader: Visitor) -> None:
    def background() -> str:
        return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))

    page = reader.open("/", dark=True)
    dark = background()
    page.get_by_title("Light colours").click()
    light = background()
    assert light != dark
    page.goto(f"{reader.url}/models/")
    assert background() == light


FOCUSED = """() => {
    const element = document.activeElement;
    // A radio button of no size shows its focus on its label.
    const shown = element.matches("input") ? element.nextElementSibling : element;
    const box = shown.getBoundingClientRect();
    const seen = box.width > 0 && box.right > 0 && box.left < innerWidth && box.bottom > 0 && box.top < innerHeight;
    const outlined = getComputedStyle(shown).outlineStyle !== "none";
    return [element.innerText || element.ariaLabel || element.title, seen, outlined, element === document.body];
}"""


@pytest.mark.parametrize("width", [320, 1280])
def test_every_stop_of_the_tab_key_is_seen(width: int, reader: Visitor) -> None:
    page = reader.open("/models/", viewport={"width": width, "height": 640})
    names = set()
    for _ in range(30):
        page.keyboard.press("Tab")
        name, in_the_window, outlined, past_the_last = page.evaluate(FOCUSED)
        if past_the_last:
            break
        assert in_the_window, name
        assert outlined, name
        names.add(name.strip())
    assert "Search" in names
    assert ("Navigation" in names) == (width == 320)


def test_the_current_page_is_seen_in_forced_colours(reader: Visitor) -> None:
    page = reader.open("/models/", forced_colors="active")
    current = page.locator(".md-nav--primary a.md-nav__link--active").last
    weights = [
        link.evaluate("(link) => getComputedStyle(link).fontWeight")
        for link in (current, page.get_by_role("link", name="Playground").first)
    ]
    assert weights[0] != weights[1]
