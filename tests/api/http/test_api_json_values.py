"""Counting the values in a JSON text."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fireside.api.http import body
from fireside.api.http.body import ValueCount

LEAVES = st.none() | st.integers() | st.text('a"\\,[{é', max_size=9)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text('b"\\,[{', max_size=3), inner, max_size=4),
)


def counted(text: bytes) -> int:
    count = ValueCount()
    assert [*count.add(text), count.found][-1] == count.found
    return count.found


def expected(value: Any) -> int:
    """Commas and opening brackets."""
    if not isinstance(value, list | dict):
        return 0
    inner = value.values() if isinstance(value, dict) else value
    return 1 + max(0, len(value) - 1) + sum(map(expected, inner))


@given(value=VALUES, slices=st.integers(1, 20), ascii_only=st.booleans())
def test_counts_what_stands_outside_strings(value: Any, slices: int, ascii_only: bool) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only).encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(body, "SLICE", slices)
        assert counted(text) == expected(value)


@pytest.mark.parametrize("text", [b"\\" * 100_001, b'"' * 100_001, b'"\\' * 50_000, b'\\"' * 50_000, b""])
def test_what_is_no_json_does_no_harm(text: bytes) -> None:
    assert counted(text) == 0
