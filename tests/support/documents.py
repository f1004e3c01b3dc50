"""The examples in the documentation, for tests to run."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
_FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def pages() -> list[Path]:
    """README and every page of the documentation."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def read(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def examples(page: str, language: str, holding: str = "") -> list[str]:
    """Code blocks of one language, in order, that contain a text. There must be one."""
    found = [text for tag, text in _FENCE.findall(read(page)) if tag == language and holding in text]
    assert found, f"{page} has no {language} example with {holding!r}"
    return found
