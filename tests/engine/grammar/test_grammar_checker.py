"""Grammars that kill whoever compiles them kill the checking process, and nobody else."""

import contextlib
import os
import signal
import string
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fireside.engine.grammar.checker import TOO_COMPLEX, GrammarChecker
from fireside.errors import BadGrammar
from support.children import Children
from support.grammars import json_grammar, open_constraint, regex_grammar

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="processes are found and ended in POSIX's way")

GOOD = json_grammar({"type": "object"})


@pytest.fixture
def checker(children: Children) -> Iterator[GrammarChecker]:
    made = GrammarChecker()
    yield made
    made.close()


def references(length: int) -> dict[str, Any]:
    """A chain of references, each of which is looked up inside the one before: it overflows a stack."""
    links = {
        f"d{number}": {"type": "object", "properties": {"a": {"$ref": f"#/$defs/d{number + 1}"}}}
        for number in range(length)
    }
    return {"$defs": {**links, f"d{length}": True}, "$ref": "#/$defs/d0"}


HOSTILE = {
    "takes too much stack": json_grammar(references(3000)),
    "takes too long": json_grammar(
        {"allOf": [{"type": "string", "pattern": f".{{{number}}}a"} for number in range(1, 60)]}
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_grammar_that_kills_is_too_complex_and_the_next_is_checked(
    checker: GrammarChecker, children: Children, name: str
) -> None:
    assert checker.fault(GOOD) == ""
    (first,) = children()
    assert checker.fault(HOSTILE[name]) == TOO_COMPLEX
    assert children() == []
    assert checker.fault(json_grammar({"type": "array"})) == ""
    (second,) = children()
    assert second.pid != first.pid


def test_a_process_that_was_killed_from_outside_is_replaced(checker: GrammarChecker, children: Children) -> None:
    assert checker.fault(GOOD) == ""
    (process,) = children()
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert checker.fault(regex_grammar("a")) == ""


def test_no_answer_at_all_is_a_fault(checker: GrammarChecker) -> None:
    loop = {"anyOf": [{"$ref": "#/$defs/a"}, {"$ref": "#/$defs/a"}]}
    assert "cannot be used: nothing can follow" in checker.fault(json_grammar({"$defs": {"a": loop}, **loop}))


def test_the_process_ends_with_its_checker(children: Children) -> None:
    checker = GrammarChecker()
    assert checker.fault(GOOD) == ""
    assert len(children()) == 1
    del checker
    assert children() == []


KEYWORDS = st.sampled_from([
    "type", "properties", "items", "prefixItems", "anyOf", "allOf", "oneOf", "not", "$ref", "$defs", "enum", "const",
    "pattern", "format", "minLength", "maxLength", "minItems", "maxItems", "minimum", "maximum", "multipleOf",
    "required", "additionalProperties", "patternProperties", "minProperties", "maxProperties", "exclusiveMinimum",
    "$schema", "$id", "x-guidance", "uniqueItems", "if", "a",
])  # fmt: skip
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8)
    | st.sampled_from(["object", "array", "string", "number", "integer", "#", "#/$defs/a", "^a+$", "date"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYWORDS, inner, max_size=5),
    max_leaves=25,
)  # fmt: skip


@settings(max_examples=150)
@given(schema=st.dictionaries(KEYWORDS, values, max_size=6))
def test_any_json_at_all_is_a_schema_or_a_fault(shared_checker: GrammarChecker, schema: dict[str, Any]) -> None:
    with contextlib.suppress(BadGrammar):
        if not shared_checker.fault(json_grammar(schema)):
            open_constraint(json_grammar(schema)).allowed()  # what passes can be used


@settings(max_examples=150)
@given(pattern=st.text(string.ascii_lowercase[:3] + '()[]{}|*+?^$.\\/"\n -,019é', min_size=1, max_size=20))
def test_any_text_at_all_is_a_pattern_or_a_fault(shared_checker: GrammarChecker, pattern: str) -> None:
    grammar = regex_grammar(pattern)
    if not shared_checker.fault(grammar):
        open_constraint(grammar).allowed()


@pytest.fixture(scope="module")
def shared_checker() -> Iterator[GrammarChecker]:
    made = GrammarChecker()
    yield made
    made.close()
