"""Honest functions in the sandbox: every way to write one, every kind of argument and result."""

import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fireside.functions import machine
from fireside.functions.messages import MAX_ERROR_CHARS, MAX_RESULT_BYTES, Failed, Returned

pytestmark = pytest.mark.usefixtures("children")


@pytest.mark.parametrize(
    "code",
    [
        "(a, b) => a + b",
        "(a, b) => a + b;  // the sum",
        "function (a, b) { return a + b }",
        "function (a, b) { return a + b };\n",
        "function f(a, b) { return a + b }",
        "/** Adds. */ async function f(a, b) { return a + await b }",
        "async (a, b) => { await null; return a + b }",
        "const f = (a, b) => plus(a, b); function plus(a, b) { return a + b }",
        "const help = x => x;\nfunction f(a, b) { return help(a) + b }",
        "(() => { const hidden = 0; return (a, b) => a + b + hidden })()",
    ],
)
def test_forms_of_functions(call: Callable[..., Any], code: str) -> None:
    assert call(code, "2", "3") == Returned("5")


def test_default_values_count_for_arguments_that_are_not_given(call: Callable[..., Any]) -> None:
    assert call("(a, b = 2, c = 3) => [a, b, c]", "1", None, "30") == Returned("[1,2,30]")


def test_arguments_and_results_of_every_kind(value: Callable[..., Any]) -> None:
    given = ["text", "", "é😀\u0000\u2028", 0, -1.5e300, True, None, [1, [2]], {"a": {"b": []}, "__proto__": 1, "": 2}]
    assert value("(...all) => all", *(json.dumps(item) for item in given)) == given


def test_a_function_that_is_named_like_a_builtin(value: Callable[..., Any]) -> None:
    assert value("(a) => 'mine ' + a", '"x"', name="escape") == "mine x"
    assert value("function escape(a) { return 'mine ' + a }", '"x"', name="escape") == "mine x"


def test_promises_are_awaited_until_nothing_is_left_to_do(value: Callable[..., Any], call: Callable[..., Any]) -> None:
    assert value("async () => { let n = 0; while (n < 1000) n = await new Promise(r => r(n + 1)); return n }") == 1000
    assert value("() => Promise.all([1, Promise.resolve(2)])") == [1, 2]
    never = call("() => new Promise(() => {})")
    assert never == Failed("exception", "The function's promise is never kept: nothing is left to run.")
    assert call("async () => { throw new RangeError('too far') }") == Failed("exception", "RangeError: too far")


def test_a_rejection_that_nobody_handles_does_no_harm(value: Callable[..., Any]) -> None:
    assert value("() => { Promise.reject(1); queueMicrotask(() => { throw 2 }); return Promise.resolve(3) }") == 3


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("() => { throw new TypeError('no') }", "TypeError: no"),
        ("() => { throw 'text' }", "text"),
        ("() => missing", "ReferenceError: missing is not defined"),
        ("() => {", "SyntaxError"),
        ("function (a) { return a + }", "SyntaxError"),
        ("null", "neither is a function nor declares one"),
        ("const g = 1", "neither is a function nor declares one"),
        ("class f {}", "TypeError"),
        ("throw new Error('at the beginning')", "Error: at the beginning"),
    ],
)
def test_errors_of_the_code_are_told(call: Callable[..., Any], code: str, words: str) -> None:
    outcome = call(code)
    assert isinstance(outcome, Failed)
    assert outcome.reason == "exception"
    assert words in outcome.message


@pytest.mark.parametrize("result", ["NaN", "-Infinity", "1n", "[1n]", "() => 1", "Symbol()", "{toJSON() {}}"])
def test_results_that_are_no_json(call: Callable[..., Any], result: str) -> None:
    outcome = call(f"() => ({result})")
    assert isinstance(outcome, Failed)
    assert outcome.reason == "exception"


def test_results_that_json_writes_in_its_own_way(value: Callable[..., Any]) -> None:
    assert value("() => undefined") is None
    assert value("() => [undefined, NaN, () => 1, new Date(0), new Map([[1, 2]])]") == [
        *(None, None, None),
        "1970-01-01T00:00:00.000Z",
        {},
    ]


def test_half_characters_become_replacement_characters_and_halves_that_fit_become_one(
    value: Callable[..., Any],
) -> None:
    half, other = r"'\ud83d'", r"'\ude00'"
    assert value(f"() => [{half}, {other}, {half} + {other}, {half} + 'x']") == ["\ufffd", "\ufffd", "😀", "\ufffdx"]
    assert value(r"""() => ({["\udfff"]: "\\ud800"})""") == {"\ufffd": "\\ud800"}
    assert value(r"() => JSON.rawJSON('\"\\uD83D\\uDE00 \\ud800\"')") == "😀 \ufffd"


def test_sizes_of_results_and_messages(call: Callable[..., Any]) -> None:
    assert call("(n) => 'x'.repeat(n)", str(MAX_RESULT_BYTES - 2)) == Returned(f'"{"x" * (MAX_RESULT_BYTES - 2)}"')
    outcome = call("(n) => 'x'.repeat(n)", str(MAX_RESULT_BYTES - 1))
    assert isinstance(outcome, Failed)
    assert outcome.reason == "limit"
    outcome = call("() => { throw new Error('x'.repeat(5000)) }")
    assert isinstance(outcome, Failed)
    assert len(outcome.message) == MAX_ERROR_CHARS + 1


def test_the_clock_stands_still_and_is_in_greenwich(value: Callable[..., Any]) -> None:
    first, last, offset = value(
        "() => { const first = Date.now(); for (let n = 0; n < 2e5; n++); "
        "return [first, Date.now(), new Date().getTimezoneOffset()] }"
    )
    assert first == last > 1_700_000_000_000
    assert offset == 0


def test_random_numbers_differ_from_call_to_call(value: Callable[..., Any]) -> None:
    assert value("() => Math.random()") != value("() => Math.random()")


def test_the_engine_is_the_file_that_its_readme_names() -> None:
    page = (machine.WASM.parent / "README.md").read_text()
    assert re.findall(r"`([0-9a-f]{64})`", page) == [machine.WASM_SHA256]
    assert hashlib.sha256(machine.WASM.read_bytes()).hexdigest() == machine.WASM_SHA256


def test_another_engine_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = machine.WASM.read_bytes()
    (tmp_path / "quickjs.wasm").write_bytes(code + b"\0\x02\x01x")  # a custom section: still valid WebAssembly
    monkeypatch.setattr(machine, "WASM", tmp_path / "quickjs.wasm")
    with pytest.raises(ValueError, match="is not the file that came with Fireside"):
        machine.compile_engine()
