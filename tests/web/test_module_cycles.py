"""The pages' modules do not import each other in a circle, also not at a later time."""

import re
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from fireside.web import assets

SCRIPTS = Path(assets.__file__).parent / "static" / "js"
COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
IMPORT = re.compile(r"""(?:^|[\s;}(=])(?:from|import)\s*\(?\s*"(\.[^"]+)\"""")


def imports(folder: Path) -> dict[Path, set[Path]]:
    """What each module imports, at once or when it is needed."""
    return {
        script: {
            (script.parent / name).resolve() for name in IMPORT.findall(COMMENT.sub("", script.read_text("utf-8")))
        }
        for script in folder.resolve().rglob("*.js")
    }


def test_no_circles() -> None:
    graph = imports(SCRIPTS)
    assert sum(map(len, graph.values())) > 200
    TopologicalSorter(graph).prepare()


def test_a_circle_is_seen(tmp_path: Path) -> None:
    (tmp_path / "one.js").write_text('import { two } from "./two.js";')
    (tmp_path / "two.js").write_text('const { one } = await import("./one.js");')
    with pytest.raises(CycleError):
        TopologicalSorter(imports(tmp_path)).prepare()
