"""docs/compatibility.md holds what the client tests of this folder did, and nothing else."""

import os

import pytest

from support.compatibility import PAGE, Row, lines, page


def test_the_page_has_the_rows_of_this_run(proven_rows: list[Row], all_proven: bool) -> None:
    if os.environ.get("FIRESIDE_WRITE_COMPATIBILITY"):
        assert all_proven, "the page is written only when all client tests ran and passed"
        PAGE.write_text(page(proven_rows), encoding="utf-8")
    if not proven_rows:
        pytest.skip("no client test ran")
    committed = PAGE.read_text(encoding="utf-8")
    assert lines(page(proven_rows)) <= lines(committed), "out of date: run `make compatibility`"
    if all_proven:
        assert committed == page(proven_rows), "out of date: run `make compatibility`"
