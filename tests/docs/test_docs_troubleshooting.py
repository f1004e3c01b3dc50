"""Every error code has a way out on its page, and only those that there are."""

import re

import pytest

from fireside.api.http.wire_errors import INTERNAL_ERROR, WIRE_ERRORS
from fireside.settings import Settings
from support.documents import ROOT, pages, read

PAGE = "docs/troubleshooting.md"
ENTRIES = dict(re.findall(r"^### (\d+): [^\n]+\n\n(.*?)(?=^##|\Z)", read(PAGE), re.MULTILINE | re.DOTALL))
CODES = sorted({wire.code for wire in [*WIRE_ERRORS.values(), INTERNAL_ERROR]})


def test_every_code_has_an_entry_and_no_other_has() -> None:
    assert sorted(map(int, ENTRIES)) == CODES


@pytest.mark.parametrize("code", CODES)
def test_an_entry_says_the_statuses_a_cause_and_a_way_out(code: int) -> None:
    cause, *way_out = ENTRIES[str(code)].strip().split("\n\n")
    statuses = {wire.status for wire in [*WIRE_ERRORS.values(), INTERNAL_ERROR] if wire.code == code}
    said = {int(number) for number in re.findall(r"\b(4\d\d|50\d)\b", cause)}
    assert said == statuses
    assert cause.startswith("Status ")
    assert way_out, "no way out"


def test_the_settings_that_pages_name_exist() -> None:
    known = {f"FIRESIDE_{name.upper()}" for name in Settings.model_fields}
    texts = {page.name: page.read_text(encoding="utf-8") for page in [*pages(), ROOT / "SECURITY.md"]}
    named = {(page, name) for page, text in texts.items() for name in re.findall(r"\bFIRESIDE_[A-Z_]+\b", text)}
    # Variables of a Worker and of the tests, which are no settings of the server.
    others = {"FIRESIDE_ACCOUNT", "FIRESIDE_TOKEN", "FIRESIDE_URL", "FIRESIDE_TEST_MODEL"}
    assert {(page, name) for page, name in named if name not in known | others} == set()
