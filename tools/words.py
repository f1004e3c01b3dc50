"""Part of `make lint`: the words that CONTRIBUTING.md lists are written nowhere.

The list is the table under its heading "Words": what must not be written, each in backticks, and what to write instead.
"""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
LIST = "CONTRIBUTING.md"
_HEADING = "\n## Words\n"
_ROW = re.compile(r"^\| (`.*`) \| (.+) \|$", re.MULTILINE)
_SEARCHED = ("*.py", "*.js", "*.mjs", "*.ts", "*.html", "*.md", "*.toml", "*.sh", "Makefile")
_LEFT_OUT = re.compile(
    r"/vendor/|/swagger_ui/|tests/(data|clients/suites)/|(acorn|comment-parser)[^/]*\.js$|LICENSE|tools/(test_)?words\.py"
)
"""Other people's files, and those that speak of the list."""


class Word(NamedTuple):
    """What must not be written: as it stands in the list, as a pattern, and what to write instead."""

    text: str
    pattern: re.Pattern[str]
    instead: str


def read_list(page: str) -> list[Word]:
    """The words of the page's table. Raises ValueError when there is none."""
    _, found, rest = page.partition(_HEADING)
    table = rest.partition("\n## ")[0]
    words = [
        Word(text, _pattern(text), instead)
        for cell, instead in _ROW.findall(table)
        for text in re.findall(r"`([^`]+)`", cell)
    ]
    if not found or not words:
        raise ValueError(f"{LIST} has no table of words")
    return words


def faults(name: str, text: str, words: list[Word]) -> Iterator[str]:
    """Each line of a file that has one of the words."""
    for number, line in enumerate(text.splitlines(), 1):
        for word in words:
            if word.pattern.search(line):
                yield f"{name}:{number}: instead of “{word.text}” write {word.instead}"


def without_list(page: str) -> str:
    """CONTRIBUTING.md with as many lines, and those of its table empty."""
    before, heading, rest = page.partition(_HEADING)
    table, end, after = rest.partition("\n## ")
    return before + heading + "\n" * table.count("\n") + end + after


def _pattern(text: str) -> re.Pattern[str]:
    """Whole words, however capitalised; one that ends in "_" begins an identifier, and is in capitals.

    "AT_MOST_1" is another word than "MOST_", and "there is no file" than "is not a file".
    """
    beginning = r"(?<![A-Za-z])(?<!AT_)(?<![Tt]here )" + re.escape(text)
    return re.compile(beginning) if text.endswith("_") else re.compile(beginning + "(?![a-z])", re.IGNORECASE)


def main() -> int:
    """The exit status: 0 when none of the words is found."""
    page = (ROOT / LIST).read_text(encoding="utf-8")
    words = read_list(page)
    command = ["git", "ls-files", *_SEARCHED]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    names = [name for name in listed.stdout.splitlines() if not _LEFT_OUT.search(name) and (ROOT / name).is_file()]
    texts = {name: (ROOT / name).read_text(encoding="utf-8") for name in names} | {LIST: without_list(page)}
    found = [fault for name, text in texts.items() for fault in faults(name, text, words)]
    for fault in found:
        print(fault)
    if found:
        return 1
    print(f"None of the {len(words)} words that {LIST} lists is in {len(texts)} files.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
