"""SECURITY.md names tests for what it claims: each exists."""

import re

from support.documents import ROOT, read

TEXT = read("SECURITY.md")


def named_tests() -> list[tuple[str, str]]:
    """File and function; `::name` alone is in the file named before it."""
    found, file = [], ""
    for path, name in re.findall(r"`(tests/[\w/]+\.py)?::(\w+)`", TEXT):
        file = path or file
        found.append((file, name))
    return found


def test_every_test_that_is_named_exists() -> None:
    tests = named_tests()
    assert len(tests) > 50
    for file, name in tests:
        code = (ROOT / file).read_text(encoding="utf-8")
        assert re.search(rf"^(?:async )?def {name}\(", code, re.MULTILINE), f"{file}::{name}"


def test_every_wall_says_what_it_covers_what_not_and_which_tests_show_it() -> None:
    _, *walls = re.split(r"^## (?=Open on loopback)|^## ", TEXT.partition("Each wall below")[2], flags=re.MULTILINE)
    assert len(walls) > 8
    for wall in walls:
        for word in ("**Covers**", "**Does not cover**", "**Shown by**"):
            assert word in wall, wall.splitlines()[0]
