"""Parameters read from code, without running it."""

import json
from contextlib import suppress

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fireside.functions.schema import MAX_CODE
from fireside.functions.signature import MAX_PARAMETERS, Parameter, signature_of
from fireside.functions.tokens import CodeError, tokens_of

PLAIN = (Parameter("a"), Parameter("b", default={"type": "number", "default": 2}))


@pytest.mark.parametrize(
    "code",
    [
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
    ],
)
def test_forms_of_functions(code):
    assert signature_of("f", code).parameters == PLAIN


def test_parameters_of_every_kind():
    code = "async ({a, b: c, 'd-e': d = 1, 4: g, n: {m = true}, ...more} = {}, [x, y], p = [1, 2], ...rest) => 1"
    a, b, c, rest = signature_of("f", code).parameters
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


def test_a_single_name_is_a_parameter():
    assert signature_of("f", "x => x").parameters == (Parameter("x"),)
    assert signature_of("f", "async x => x").parameters == (Parameter("x"),)
    assert signature_of("f", "async => async").parameters == (Parameter("async"),)
    assert signature_of("f", "() => 1").parameters == ()
    assert signature_of("f", "größe => größe").parameters == (Parameter("größe"),)


@pytest.mark.parametrize(
    ("default", "schema"),
    [
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
    ],
)
def test_what_default_values_say(default, schema):
    assert signature_of("f", f"(a, b = {default}, c) => a").parameters == (
        Parameter("a"),
        Parameter("b", default=schema),
        Parameter("c"),
    )


def test_the_comment_before_the_function_counts():
    assert signature_of("f", "/** One. */ (a) => a").doc == "One."
    assert signature_of("f", "/** Of x. */ const x = 1; /** Of f. */ async function f() {}").doc == "Of f."
    assert signature_of("f", "/** Of x. */ const x = 1; const f = () => 1").doc == ""
    assert signature_of("f", "/** Of f. */ const f = () => 1").doc == "Of f."
    assert signature_of("f", "const f = /** Of f. */ () => 1").doc == "Of f."
    assert signature_of("f", "/** Of f. */ (function () {})").doc == "Of f."
    assert signature_of("f", "/* None. */ // none\n () => 1").doc == ""
    assert signature_of("f", "/** A\n   * B\n *  C\n */ // then\n () => 1").doc == "A\nB\n C"
    assert signature_of("f", "/**/ () => 1").doc == ""


@pytest.mark.parametrize(
    "code",
    [
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
    ],
)
def test_what_is_not_understood_is_refused(code):
    with pytest.raises(CodeError):
        signature_of("f", code)


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


@given(st.lists(SNIPPETS, max_size=60).map("".join) | st.text(max_size=200))
@example("`${'`'}")
@example("`${{a:`${1}`}}`")
@settings(max_examples=200)
def test_any_text_gives_a_signature_or_a_code_error(code):
    try:
        tokens = tokens_of(code)
    except CodeError:
        tokens = []
    assert len(tokens) <= len(code)
    try:
        signature = signature_of("f", code)
    except CodeError:
        return
    assert len(signature.parameters) <= len(code)


@pytest.mark.parametrize(
    "piece",
    [
        *"(`/\\{=a9 ",
        *(
            "((a)=>",
            "`${",
            "'\\'",
            "/[",
            "/[/]",
            "function f(",
            "function f ",
            "const f = ",
            "/** */",
            "*/",
            "(a={",
            "/*/",
        ),
        *("${", "({a:", "}/", "=/[\n", "/x/;"),
    ],
)
def test_long_hostile_code_is_read_to_its_end(piece):
    code = (piece * MAX_CODE)[:MAX_CODE]
    for text in (code, f"function f(a) {{}} {code}", f"(a = {code}) => a"):
        with suppress(CodeError):
            assert len(signature_of("f", text).parameters) <= MAX_PARAMETERS


NAMES = st.lists(st.from_regex(r"[a-z]{1,3}_", fullmatch=True), min_size=1, max_size=5, unique=True)
VALUES = st.booleans() | st.integers(-(2**53), 2**53) | st.floats(-1e6, 1e6) | st.text(max_size=8)


@st.composite
def arrow_functions(draw):
    """The code of a function that returns its parameters, and their names and default values."""
    names = draw(NAMES)
    values = [draw(st.none() | VALUES.filter(lambda value: value is not None)) for _ in names]
    parts = [
        name if value is None else f"{name} = {json.dumps(value)}" for name, value in zip(names, values, strict=True)
    ]
    space = draw(st.sampled_from(["", " ", "\n", "/* , */", "// )\n"]))
    return f"({f',{space}'.join(parts)}{space}) => [{', '.join(names)}]", names, values


@given(arrow_functions())
def test_names_and_defaults_are_those_that_were_written(function):
    code, names, values = function
    parameters = signature_of("f", code).parameters
    assert [parameter.name for parameter in parameters] == names
    assert [parameter.default and parameter.default.get("default") for parameter in parameters] == values


def test_defaults_are_those_that_javascript_sees(value):
    """The sandbox is the judge of many functions at once."""
    codes = []

    @given(arrow_functions())
    @settings(max_examples=100, database=None)
    def collect(function):
        codes.append(function)

    collect()
    seen = value(f"() => [{', '.join(f'({code})()' for code, _, _ in codes)}]")
    assert len(seen) == len(codes)
    for result, (code, _, _) in zip(seen, codes, strict=True):
        defaults = [
            parameter.default and parameter.default.get("default") for parameter in signature_of("f", code).parameters
        ]
        assert result == defaults
