"""What `make test-fast` leaves out exists, and imports of what is missing skip a test."""

import importlib
from pathlib import Path

import pytest

from support.selection import SLOW, TESTS, SkipWithoutLibrary, is_slow


def test_what_is_called_slow_is_there() -> None:
    assert [slow for slow in SLOW if not (TESTS / slow).exists()] == []


def test_a_folder_is_slow_with_all_that_is_in_it() -> None:
    assert is_slow(TESTS / "browser" / "test_other_origins.py")
    assert not is_slow(TESTS / "tools" / "test_selection.py")
    assert not is_slow(Path("/browser"))


def test_only_imports_by_tests_of_what_is_optional_skip(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("support.selection.OPTIONAL", ("no_such_library",))
    with pytest.raises(pytest.skip.Exception, match="needs no_such_library"):
        import no_such_library  # type: ignore[import-not-found]  # noqa: F401
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("no_other_library")
    assert SkipWithoutLibrary().find_spec("json", None) is None
