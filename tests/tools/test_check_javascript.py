"""The JavaScript's types are checked, and no file of the pages is left out."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from tools.check_javascript import ASKS, FOLDER, ROOT, install, unchecked


def test_every_file_of_the_pages_asks_to_be_checked() -> None:
    assert list(unchecked(ROOT)) == []


def test_a_file_that_does_not_ask_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "src" / "fireside" / "web" / "static" / "js"
    (folder / "lib").mkdir(parents=True)
    (folder / "page.js").write_text(f"{ASKS}export const one = 1;\n", encoding="utf-8")
    (folder / "lib" / "dom.js").write_text("export const two = 2;\n", encoding="utf-8")
    (problem,) = unchecked(tmp_path)
    assert problem.startswith("src/fireside/web/static/js/lib/dom.js: ")


@pytest.mark.parametrize(
    ("text", "wrong"),
    [("document.title.length;\n", False), ("document.title.len;\n", True), ("const unused = 1;\nexport {};\n", True)],
)
def test_what_a_file_gets_wrong_is_found(tmp_path: Path, text: str, wrong: bool) -> None:
    node, npm = shutil.which("node"), shutil.which("npm")
    if not node or not npm:
        pytest.skip("needs node and npm")
    install(npm)
    (tmp_path / "page.js").write_text(ASKS + text, encoding="utf-8")
    project = {"extends": str(FOLDER / "pages.json"), "include": ["page.js"]}
    (tmp_path / "tsconfig.json").write_text(json.dumps(project), encoding="utf-8")
    tsc = FOLDER / "node_modules" / "typescript" / "bin" / "tsc"
    found = subprocess.run([node, tsc, "-p", tmp_path], capture_output=True, text=True, check=False)
    assert (found.returncode != 0) is wrong, found.stdout
