"""The pages' own files: whole, filled in, and light."""

import gzip
import re
from pathlib import Path

import pytest

from fireside.web import assets as assets_module
from fireside.web.assets import STATIC_PATH, Assets, load_assets

STATIC = Path(assets_module.__file__).parent / "static"
PAGES = ("catalogue.html", "docs.html", "model.html", "playground.html")
FIRST_LOAD_BYTES = 150_000
ON_DEMAND = ("highlight", "temml", "Temml")
"""What is fetched only for an answer with code in a known language, or with math."""


def linked(page: str) -> list[str]:
    """The files that a browser fetches for a page before anybody does anything."""
    text = load_assets().page(page).body.decode()
    prefix = f"{STATIC_PATH}/{load_assets().version}/"
    return sorted({name.removeprefix(prefix) for name in re.findall(r'(?:href|src)="([^"]+)"', text) if prefix in name})


def test_pages_are_filled_in() -> None:
    for page in PAGES:
        text = load_assets().page(page).body.decode()
        assert "{{" not in text
        assert f'href="{STATIC_PATH}/{load_assets().version}/style.css"' in text
        assert re.search(r"<noscript><p class=\"notice\">[^<]+JavaScript, which is switched off", text)


@pytest.mark.parametrize("page", PAGES)
def test_everything_a_page_links_is_there(page: str) -> None:
    names = linked(page)
    assert {"style.css", "theme.js", "icon.svg", "js/lib/dom.js"} <= set(names)
    assert [name for name in names if load_assets().file(name) is None] == []


@pytest.mark.parametrize("page", PAGES)
def test_the_first_load_is_light(page: str) -> None:
    """The page alone in half of it; all of it with what is loaded later, too: dialogs, an answer's Markdown."""
    first = [load_assets().file(name) for name in linked(page)]
    transferred = sum(len(file.gzipped) for file in first if file) + len(load_assets().page(page).gzipped)
    assert transferred < FIRST_LOAD_BYTES / 2
    scripts = [path for path in STATIC.rglob("*.js") if not path.name.startswith(ON_DEMAND)]
    later = [path for path in scripts if str(path.relative_to(STATIC)) not in linked(page)]
    assert transferred + sum(len(gzip.compress(path.read_bytes(), 9)) for path in later) < FIRST_LOAD_BYTES


def test_what_is_fetched_on_demand_is_light_too() -> None:
    for path in (STATIC / "vendor").iterdir():
        assert len(gzip.compress(path.read_bytes(), 9)) < FIRST_LOAD_BYTES / 2, path.name


def test_what_is_loaded_later_is_not_loaded_first() -> None:
    later = ("vendor/", "markdown/parser", "markdown/sanitiser", "token-dialog", "request-dialog", "finetune-dialog")
    for page in PAGES:
        assert [name for name in linked(page) if any(part in name for part in later)] == []


def test_modules_are_found_through_one_another() -> None:
    files = {
        "js/a.js": b'import { b } from "./lib/b.js";\nimport "./c.js";\nexport const later = () => import("./d.js");\n',
        "js/lib/b.js": b'export {\n  c,\n} from "../c.js";\n',
        "js/c.js": b'import "./a.js";\n',
        "js/d.js": b"",
        "page.html": b'{{preload}}<script type="module" src="{{static}}/js/a.js"></script>',
    }
    made = Assets(files)
    assert made.modules("js/a.js") == ["js/a.js", "js/lib/b.js", "js/c.js"]
    page = made.page("page.html").body.decode()
    assert page.count("modulepreload") == 3
    assert f"{STATIC_PATH}/{made.version}/js/lib/b.js" in page


def test_a_changed_file_changes_the_path_of_all() -> None:
    one, other = Assets({"a.js": b"1"}), Assets({"a.js": b"2"})
    assert one.version != other.version
    assert one.version == Assets({"a.js": b"1"}).version


def test_names_are_looked_up_not_opened() -> None:
    for name in ("../assets.py", "/etc/passwd", "js/../style.css", "js\\lib\\dom.js", "", "js", "playground.html"):
        assert load_assets().file(name) is None


def test_vendored_files_come_with_their_licences() -> None:
    scripts = sorted(path.name for path in (STATIC / "vendor").glob("*.js"))
    assert scripts
    for script in scripts:
        name = re.sub(r"(\.esm|\.min)?\.js$", "", script)
        assert (STATIC / "vendor" / f"{name}.LICENSE.txt").is_file()


def test_no_page_and_no_module_brings_markup_or_addresses_of_elsewhere() -> None:
    own = [
        path for path in STATIC.rglob("*.*") if path.suffix in (".js", ".html", ".css") and path.parent.name != "vendor"
    ]
    for path in own:
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function", text), path
        # The name of SVG's elements looks like an address.
        assert not re.search(r"""["'(]https?://(?!www\.w3\.org/2000/svg")""", text), path
        assert not re.search(r"<[^>]+\s(style|on\w+)=", text), path
