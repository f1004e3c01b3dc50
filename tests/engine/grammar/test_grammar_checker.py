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

from fireside.engine.grammar import checker as checker_module
from fireside.engine.grammar.checker import GrammarChecker
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
def test_a_grammar_that_kills_is_refused_and_the_next_is_checked(
    checker: GrammarChecker, children: Children, name: str
) -> None:
    checker.check(GOOD)
    (first,) = children()
    with pytest.raises(BadGrammar, match="too complex"):
        checker.check(HOSTILE[name])
    assert children() == []
    checker.check(json_grammar({"type": "array"}))
    (second,) = children()
    assert second.pid != first.pid


def test_what_was_checked_once_needs_no_process(checker: GrammarChecker, children: Children) -> None:
    checker.check(GOOD)
    for _ in range(2):
        with pytest.raises(BadGrammar, match="oneOf is supported"):
            checker.check(json_grammar({"oneOf": [{}, {}]}))
    checker.close()
    checker.check(GOOD)
    with pytest.raises(BadGrammar, match="oneOf is supported"):
        checker.check(json_grammar({"oneOf": [{}, {}]}))
    assert children() == []


def test_verdicts_are_forgotten_in_the_end(checker: GrammarChecker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checker_module, "REMEMBERED", 3)
    for number in range(10):
        checker.check(regex_grammar(f"a{number}"))
        assert len(checker._verdicts) <= 3
    checker.close()
    checker.check(regex_grammar("a9"))
    assert checker._process is None


def test_a_process_that_was_killed_from_outside_is_replaced(checker: GrammarChecker, children: Children) -> None:
    checker.check(GOOD)
    (process,) = children()
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    checker.check(regex_grammar("a"))


def test_no_answer_at_all_is_a_fault(checker: GrammarChecker) -> None:
    loop = {"anyOf": [{"$ref": "#/$defs/a"}, {"$ref": "#/$defs/a"}]}
    with pytest.raises(BadGrammar, match="cannot be used: nothing can follow"):
        checker.check(json_grammar({"$defs": {"a": loop}, **loop}))


def test_the_process_ends_with_its_checker(children: Children) -> None:
    checker = GrammarChecker()
    checker.check(GOOD)
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
        shared_checker.check(json_grammar(schema))
        open_constraint(json_grammar(schema)).allowed()  # what passes can be used


@settings(max_examples=150)
@given(pattern=st.text(string.ascii_lowercase[:3] + '()[]{}|*+?^$.\\/"\n -,019é', min_size=1, max_size=20))
def test_any_text_at_all_is_a_pattern_or_a_fault(shared_checker: GrammarChecker, pattern: str) -> None:
    with contextlib.suppress(BadGrammar):
        shared_checker.check(regex_grammar(pattern))
        open_constraint(regex_grammar(pattern)).allowed()


@pytest.fixture(scope="module")
def shared_checker() -> Iterator[GrammarChecker]:
    made = GrammarChecker()
    yield made
    made.close()
