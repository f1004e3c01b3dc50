"""Parameters read from code, without running it: many codes in one process, as the functions of one request."""

import asyncio
import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fireside.functions import reader
from fireside.functions.messages import Failed, Returned
from fireside.functions.reader import LIBRARIES, LIMITS, script
from fireside.functions.sandbox import Limits, Sandbox
from fireside.functions.schema import MAX_CODE
from fireside.functions.signature import Doc, Param, Parameter, Unreadable

pytestmark = pytest.mark.usefixtures("children")

PLAIN = (Parameter("a"), Parameter("b", default={"type": "number", "default": 2}))


def test_forms_of_functions(signatures: Callable[..., Any]) -> None:
    codes = [
        "(a, b = 2) => a + b",
        "(a, b = 2) => { return a + b };",
        "async (a, b = 2) => a",
        "function (a, b = 2) {}",
        "function f(a, b = 2) {}",
        "async function f(a, b = 2) {}",
        "function* f(a, b = 2) {}",
        "function other(a, b = 2) {}",
        "(function (a, b = 2) {})",
        "((a, b = 2) => a);",
        "'use strict'; const f = (a, b = 2) => a",
        "let f = async function (a, b = 2) {}",
        "var f = function g(a, b = 2) {}",
        "function help(x) { return (y) => y } async function f(a, b = 2,) {} const z = 1",
        "const re = /['\"(]/g, s = 'f(', t = `${'}'}`; function f(a, b = 2) {}",
        "// function f(wrong) {}\n/* function f(wrong) {} */ function f(a, /* , */ b = 2) {}",
        "const half = n => n / 2; const g = n => n++ / 2; function f(a, b = 2) { return a / b }",
        "const one = 1, f = (a, b = 2) => a",
        "function f(wrong) {} function f(a, b = 2) {}",
        "function f(a, b = 2) { class A { #x = 1; static { } get y() { return this?.#x ?? 1n ** 2n } } }",
    ]
    assert {code: found.parameters for code, found in zip(codes, signatures(codes), strict=True)} == dict.fromkeys(
        codes, PLAIN
    )


def test_parameters_of_every_kind(signatures: Callable[..., Any]) -> None:
    code = "async ({a, b: c, 'd-e': d = 1, 4: g, n: {m = true}, ...more} = {}, [x, y], p = [1, 2], ...rest) => 1"
    a, b, c, rest = signatures([code])[0].parameters
    assert (a.kind, a.name, a.default) == ("pattern", "", {"type": "object", "default": {}})
    assert a.fields == (
        Parameter("a"),
        Parameter("b"),
        Parameter("d-e", default={"type": "number", "default": 1}),
        Parameter("4"),
        Parameter("n", "pattern", (Parameter("m", default={"type": "boolean", "default": True}),)),
        Parameter("more", "rest"),
    )
    assert (b.kind, b.fields) == ("pattern", None)
    assert c == Parameter("p", default={"type": "array"})
    assert rest == Parameter("rest", "rest")


def test_a_single_name_is_a_parameter(signatures: Callable[..., Any]) -> None:
    names = {"x => x": "x", "async x => x": "x", "async => async": "async", "größe => größe": "größe"}
    expected = [(Parameter(name),) for name in names.values()]
    assert [found.parameters for found in signatures([*names, "() => 1"])] == [*expected, ()]


def test_what_default_values_say(signatures: Callable[..., Any]) -> None:
    expected: list[tuple[str, dict[str, Any]]] = [
        ("-1.5e3", {"type": "number", "default": -1500.0}),
        ("0x1e", {"type": "number", "default": 30}),
        ("1_000", {"type": "number", "default": 1000}),
        (".5", {"type": "number", "default": 0.5}),
        ("1e999", {"type": "number"}),
        ("010", {"type": "number"}),
        ("10n", {}),
        ("'it\\'s \\u{1F600}\\x41\\n'", {"type": "string", "default": "it's 😀A\n"}),
        ('"\\ud800"', {"type": "string", "default": "\ufffd"}),
        ("`a`", {"type": "string", "default": "a"}),
        ("`a${1}`", {}),
        ("false", {"type": "boolean", "default": False}),
        ("null", {}),
        ("undefined", {}),
        ("[]", {"type": "array", "default": []}),
        ("{}", {"type": "object", "default": {}}),
        ("{a: 1, b: (2, 3)}", {"type": "object"}),
        ("/[,)]/.test(')')", {}),
        ("g(1, 2)", {}),
        ("(1, 2)", {}),
        ("1 + 2", {}),
        ("x => x", {}),
        ("function (a, b) {}", {}),
    ]
    found = signatures([f"(a, b = {default}, c) => a" for default, _ in expected])
    for (default, schema), signature in zip(expected, found, strict=True):
        told = Parameter("a"), Parameter("b", default=schema), Parameter("c")
        assert signature.parameters == told, default


def test_the_comment_before_the_function_counts(signatures: Callable[..., Any]) -> None:
    expected = {
        "/** One. */ (a) => a": "One.",
        "/** Of x. */ const x = 1; /** Of f. */ async function f() {}": "Of f.",
        "/** Of x. */ const x = 1; const f = () => 1": "",
        "/** Of f. */ const f = () => 1": "Of f.",
        "const f = /** Of f. */ () => 1": "Of f.",
        "const x = 1, /** Of f. */ f = () => 1": "Of f.",
        "/** Of x. */ const x = 1, f = () => 1": "",
        "/** Of f. */ (function () {})": "Of f.",
        "((/** Of f. */ () => 1))": "Of f.",
        "/** Of f. */ function () {};": "Of f.",
        "/* None. */ // none\n () => 1": "",
        "/** A\n   * B\n *  C\n */ // then\n () => 1": "A B C",
        "/** A\r\n * B\r\n */ () => 1": "A B",
        "/**/ () => 1": "",
        "/***/ () => 1": "",
    }
    found = signatures(list(expected))
    assert {code: signature.doc.description for code, signature in zip(expected, found, strict=True)} == expected


def test_what_comments_say(signatures: Callable[..., Any]) -> None:
    comment = """/**
     * Adds: see {@link x}, not @param {number} z.
     * @param {number} a - the first, of
     *   two lines
     * @param {{
     *   x: number}} [b={x: [1]}] the second
     * @arg c
     * @argument {string=} d.e-
     * @param {
     * @param
     * @returns {number} the @sum
     * @schema {"type":
     *   "object"}
     */"""
    (found,) = signatures([f"{comment} (a, b, c, d) => 1"])
    assert found.doc == Doc(
        "Adds: see {@link x}, not @param {number} z.",
        (
            Param("a", "number", False, "the first, of two lines"),
            Param("b", "{\n  x: number}", True, "the second"),
            Param("c"),
            Param("d.e-", "string="),
            Param(""),
            Param(""),
        ),
        '{"type":\n  "object"}',
    )
    (found,) = signatures(["/** One.\n@description Two.\n * @desc {a} Three,\n *  four */ () => 1"])
    assert found.doc.description == "{a} Three, four"


def test_what_is_not_understood_is_refused(signatures: Callable[..., Any]) -> None:
    codes = [
        "",
        "1",
        "class f {}",
        "(() => 1)()",
        "const g = () => 1",
        "f(a, b)",
        "(a, b)",
        "(a, b",
        "(a.b) => 1",
        "({[key]: a}) => 1",
        "({a b}) => 1",
        "(a,,b) => 1",
        "'abc",
        "`abc",
        "`${`",
        "/* abc",
        "({a:{b:{c:{d:{e:{f:{g:{h:{i:{j}}}}}}}}}}) => 1",
        f"({', '.join(f'a{n}' for n in range(200))}) => 1",
        "\u0000",
        ")))) => ((((",
        "() => 1; // but then\nconst g = 1",
        "function () {} const g = 1",
        "import * as os from 'os'; function f() {}",
        "#!/bin/sh\n() => 1",
        "(a = " + "[" * 5000 + "]" * 5000 + ") => a",
        f"let {'x' * 5000}; let {'x' * 5000}",
    ]
    found = signatures(codes)
    assert {code: type(signature) for code, signature in zip(codes, found, strict=True)} == dict.fromkeys(
        codes, Unreadable
    )
    assert max(len(signature.error) for signature in found) < 400


def test_what_is_wrong_is_said_with_its_place(signatures: Callable[..., Any]) -> None:
    nothing = "it neither is a function nor declares one with the name f"
    expected = {
        "1": nothing,
        "return 1": f"{nothing}: 'return' outside of function (1:0)",
        "(a) => {\n  return a +\n}": f"{nothing}: Unexpected token (3:0)",
        "function (a) { return a + }": f"{nothing}: Unexpected token (1:26)",
        "({[key]: a}) => 1": "a property of a parameter's pattern has no plain name",
        "(...[a]) => 1": "a parameter is not understood: ...[a]",
        f"({', '.join(f'a{n}' for n in range(129))}) => 1": "it has more than 128 parameters",
        f"({{{', '.join(f'a{n}' for n in range(129))}}}) => 1": "it has more than 128 parameters",
        "() => " + "(" * 5000 + ")" * 5000: f"{nothing}: Not enough stack space to parse input (1:160)",
    }
    found = signatures(list(expected))
    assert {code: signature.error for code, signature in zip(expected, found, strict=True)} == expected


SNIPPETS = st.sampled_from(
    [
        *"(){}[],;:=`/'\"\\\n*1.-+ \u2028é\ud800",
        *(
            "=>",
            "...",
            "${",
            "//",
            "/*",
            "*/",
            "/**",
            "function",
            "async",
            "const",
            "f",
            "a",
            "1e",
            "0x",
            "new",
            "return",
        ),
        *("'s'", "/r/", "function f(", "const f = (", "f = ({", "/** @schema {"),
    ]
)


def test_any_text_gives_a_signature_or_says_what_is_wrong(signatures: Callable[..., Any]) -> None:
    codes = ["`${'`'}`", "`${{a:`${1}`}}`"]

    @given(st.lists(SNIPPETS, max_size=60).map("".join) | st.text(max_size=200))
    @settings(max_examples=200, database=None)
    def collect(code: str) -> None:
        codes.append(code)

    collect()
    for code, signature in zip(codes, signatures(codes), strict=True):
        assert isinstance(signature, Unreadable) or len(signature.parameters) <= len(code)


HOSTILE = [
    *"(`/\\{=a9 [+",
    *("((a)=>", "`${", "'\\'", "/[", "/[/]", "function f(", "function f ", "const f = ", "/** */", "*/", "(a={", "/*/"),
    *("${", "({a:", "}/", "=/[\n", "/x/;", "/(a|b)/,", "a?b:", "if(a)b;else ", "a.b()", "async(", "(a,b)=>c,", "a=>"),
    *("\r", "/** @param {", "/** \r", "\n@a {", "class A{"),
]


@pytest.mark.parametrize("piece", HOSTILE)
def test_long_hostile_code_costs_its_own_request_alone(sandbox: Sandbox, piece: str) -> None:
    """All of it is read within the limits, or the reader's process is ended by them; there is an outcome either way."""
    code = (piece * MAX_CODE)[:MAX_CODE]
    texts = [text[:MAX_CODE] for text in (code, f"function f(a) {{}} {code}", f"(a = {code}) => a", f"/**{code}*/a=>a")]
    given = json.dumps([("f", text) for text in texts])
    outcome = asyncio.run(sandbox.run("read", script(), (given,), LIMITS))
    assert isinstance(outcome, Returned) or outcome.reason == "limit"


def test_reading_has_limits_of_time_and_memory(sandbox: Sandbox) -> None:
    given = json.dumps([("f", f"a => [{'a,' * 16_000}]")] * 4)
    for limits in (
        Limits(seconds=0.001, memory_bytes=LIMITS.memory_bytes, result_bytes=LIMITS.result_bytes),
        Limits(seconds=LIMITS.seconds, memory_bytes=3 * 1024 * 1024, result_bytes=LIMITS.result_bytes),
        Limits(seconds=LIMITS.seconds, memory_bytes=LIMITS.memory_bytes, result_bytes=100),
    ):
        assert isinstance(asyncio.run(sandbox.run("read", script(), (given,), limits)), Failed)


NAMES = st.lists(st.from_regex(r"[a-z]{1,3}_", fullmatch=True), min_size=1, max_size=5, unique=True)
VALUES = st.booleans() | st.integers(-(2**53), 2**53) | st.floats(-1e6, 1e6) | st.text(max_size=8)


@st.composite
def arrow_functions(draw: st.DrawFn) -> tuple[str, list[str], list[Any]]:
    """The code of a function that returns its parameters, and their names and default values."""
    names = draw(NAMES)
    values = [draw(st.none() | VALUES.filter(lambda value: value is not None)) for _ in names]
    parts = [
        name if value is None else f"{name} = {json.dumps(value)}" for name, value in zip(names, values, strict=True)
    ]
    space = draw(st.sampled_from(["", " ", "\n", "/* , */", "// )\n"]))
    return f"({f',{space}'.join(parts)}{space}) => [{', '.join(names)}]", names, values


def test_names_and_defaults_are_those_that_were_written_and_that_javascript_sees(
    signatures: Callable[..., Any], value: Callable[..., Any]
) -> None:
    """The sandbox is the judge of many functions at once."""
    functions = []

    @given(arrow_functions())
    @settings(max_examples=100, database=None)
    def collect(function: tuple[str, list[str], list[Any]]) -> None:
        functions.append(function)

    collect()
    codes = [code for code, _, _ in functions]
    seen = value(f"() => [{', '.join(f'({code})()' for code in codes)}]")
    for found, result, (_, names, values) in zip(signatures(codes), seen, functions, strict=True):
        defaults = [parameter.default and parameter.default.get("default") for parameter in found.parameters]
        assert [parameter.name for parameter in found.parameters] == names
        assert defaults == values == result


def test_the_libraries_are_the_files_that_their_readme_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = reader._FOLDER
    page = (folder / "README.md").read_text()
    assert re.findall(r"`([0-9a-f]{64})`", page) == list(LIBRARIES.values())
    for name, digest in LIBRARIES.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
        assert (folder / name.replace(".js", ".LICENSE.txt")).is_file()
        (tmp_path / name).write_bytes((folder / name).read_bytes() + b"\n")
    monkeypatch.setattr(reader, "_FOLDER", tmp_path)
    with pytest.raises(ValueError, match="is not the file that came with Fireside"):
        script.__wrapped__()
