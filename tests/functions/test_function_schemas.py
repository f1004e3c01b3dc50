"""From a function's code and comments to a tool, and from a tool's arguments to the function's parameters."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fireside.errors import Busy, EngineFailed, InvalidInput
from fireside.functions.jsdoc import schema_of_type
from fireside.functions.messages import Failed, Outcome, Returned
from fireside.functions.reader import FunctionReader
from fireside.functions.sandbox import Limits, Sandbox
from fireside.functions.schema import MAX_CODE, MAX_FUNCTIONS, MAX_TOTAL_CODE, CodeError, Function, function_of
from fireside.functions.signature import Unreadable

pytestmark = pytest.mark.usefixtures("children")


@pytest.fixture(scope="session")
def functions_of(sandbox: Sandbox) -> Callable[..., Any]:
    """Reads the functions of a request."""
    reader = FunctionReader(sandbox)
    return lambda given: asyncio.run(reader.functions_of("local", given))


@pytest.fixture
def function_in(functions_of: Callable[..., Any]) -> Callable[..., Any]:
    """Reads one function."""
    return lambda name, code: functions_of([(name, code)])[0]


@pytest.fixture
def parameters(function_in: Callable[..., Any]) -> Callable[..., Any]:
    """The schema of what a function takes."""
    return lambda code: function_in("f", code).tool.parameters


def test_jsdoc_says_names_types_and_descriptions(function_in: Callable[..., Any]) -> None:
    function = function_in(
        "add",
        """
        /**
         * Adds two numbers.
         * Exactly.
         *
         * @param {number} a - the first, of
         *   two lines
         * @param {integer} [b=2] the second
         * @returns {number} the sum
         */
        function add(a, b = 2) { return a + b }
        """,
    )
    assert function.tool.name == "add"
    assert function.tool.description == "Adds two numbers. Exactly."
    assert function.tool.parameters == {
        "type": "object",
        "properties": {
            "a": {"type": "number", "description": "the first, of two lines"},
            "b": {"type": "integer", "default": 2, "description": "the second"},
        },
        "required": ["a"],
        "additionalProperties": False,
    }


def test_without_comments_default_values_give_the_types(parameters: Callable[..., Any]) -> None:
    assert parameters("(city, unit = 'C', days = 3, exact = false) => 1") == {
        "type": "object",
        "properties": {
            "city": {},
            "unit": {"type": "string", "default": "C"},
            "days": {"type": "number", "default": 3},
            "exact": {"type": "boolean", "default": False},
        },
        "required": ["city"],
        "additionalProperties": False,
    }


@pytest.mark.parametrize(
    "comment",
    [
        "@param {object} options - what to do\n@param {number} options.a - A\n@param {string} [options.b] - B",
        "@param {number} a - A\n@param {string} [b] - B",
    ],
)
def test_the_properties_of_one_object_pattern_are_the_arguments(function_in: Callable[..., Any], comment: str) -> None:
    function = function_in("f", f"/** {comment} */ ({{a, b, c = 1}}) => a")
    assert function.tool.parameters == {
        "type": "object",
        "properties": {
            "a": {"type": "number", "description": "A"},
            "b": {"type": "string", "description": "B"},
            "c": {"type": "number", "default": 1},
        },
        "required": ["a"],
        "additionalProperties": False,
    }
    assert function.arguments({"a": 1, "b": "x"}) == ('{"a": 1, "b": "x"}',)


def test_several_parameters_with_patterns_and_a_rest(function_in: Callable[..., Any]) -> None:
    function = function_in(
        "f",
        """/**
         * @param {object} point
         * @param {number} point.x
         * @param {number} point.y - up
         * @param {...string} names - of them
         */ ({x, y, ...more}, [first], ...names) => 1""",
    )
    schema = function.tool.parameters
    assert schema["required"] == ["point", "argument2"]
    assert schema["properties"] == {
        "point": {
            "type": "object",
            "properties": {"x": {"type": "number"}, "y": {"type": "number", "description": "up"}},
            "required": ["x", "y"],
            "additionalProperties": True,
        },
        "argument2": {"type": "array"},
        "names": {"type": "array", "items": {"type": "string"}, "description": "of them"},
    }
    given = {"point": {"x": 1}, "argument2": [2], "names": ["a", "b"]}
    assert function.arguments(given) == ('{"x": 1}', "[2]", '"a"', '"b"')
    assert function.arguments({"names": "a"}) == (None, None, '"a"')
    assert function.arguments({}) == ()


def test_a_written_type_counts_more_than_that_of_the_default_value(parameters: Callable[..., Any]) -> None:
    schema = parameters("/** @param {?number} a\n@param b - text */ (a = 1, b = 'x') => 1")
    assert schema["properties"] == {
        "a": {"default": 1, "anyOf": [{"type": "number"}, {"type": "null"}]},
        "b": {"type": "string", "default": "x", "description": "text"},
    }


def test_properties_of_a_plain_parameter_come_from_comments_alone(parameters: Callable[..., Any]) -> None:
    schema = parameters("/** @param {object} o - opts\n@param {object} o.p\n@param {number} [o.p.q] */ (o) => 1")
    assert schema["properties"]["o"] == {
        "type": "object",
        "description": "opts",
        "properties": {
            "p": {
                "type": "object",
                "properties": {"q": {"type": "number"}},
                "required": [],
                "additionalProperties": False,
            }
        },
        "required": ["p"],
        "additionalProperties": False,
    }


def test_missing_arguments_in_the_middle_are_undefined_and_unknown_ones_go_nowhere(
    function_in: Callable[..., Any],
) -> None:
    function = function_in("f", "(a, b = 1, c) => 1")
    assert function.arguments({"a": 1, "c": None, "d": 4}) == ("1", None, "null")
    with pytest.raises(TypeError):
        function.arguments([1])


def test_a_schema_comment_refines(parameters: Callable[..., Any]) -> None:
    schema = parameters(
        """/** Rolls dice.
         * @schema {
         *   "properties": {"sides": {"minimum": 2, "maximum": 100}, "extra": {"type": "string"}},
         *   "required": ["sides"]
         * }
         * @param {integer} sides - how many
         */ (sides = 6, times = 1) => 1"""
    )
    assert schema == {
        "type": "object",
        "properties": {
            "sides": {"type": "integer", "default": 6, "description": "how many", "minimum": 2, "maximum": 100},
            "times": {"type": "number", "default": 1},
            "extra": {"type": "string"},
        },
        "required": ["sides"],
        "additionalProperties": False,
    }


def test_a_schema_comment_describes_the_object_of_a_function_that_takes_one(function_in: Callable[..., Any]) -> None:
    given = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    function = function_in("weather", f"/** @schema {json.dumps(given)} */ (args) => args.city")
    assert function.tool.parameters == given
    assert function.arguments({"city": "Lisbon"}) == ('{"city": "Lisbon"}',)


@pytest.mark.parametrize("schema", ["", "1", "[1]", "{", "{'a': 1}", '{"a": NaN}', '{"properties": 1}', '{"a":' * 5000])
def test_a_schema_comment_that_is_no_schema_is_refused(
    function_in: Callable[..., Any], parameters: Callable[..., Any], schema: Any
) -> None:
    code = f"/** @schema {schema} */ (a) => a"
    if not schema:
        assert parameters(code)["properties"] == {"a": {}}
        return
    with pytest.raises(InvalidInput, match=r"functions\.0\.code: what follows @schema"):
        function_in("f", code)


@pytest.mark.parametrize(
    ("text", "schema"),
    [
        ("number", {"type": "number"}),
        ("String", {"type": "string"}),
        ("Array", {"type": "array"}),
        ("number[]", {"type": "array", "items": {"type": "number"}}),
        ("Array<Array.<string>>", {"type": "array", "items": {"type": "array", "items": {"type": "string"}}}),
        ("Object<string, number>", {"type": "object", "additionalProperties": {"type": "number"}}),
        ("Record<string, any>", {"type": "object", "additionalProperties": {}}),
        ("'a' | \"b|c\"", {"enum": ["a", "b|c"]}),
        ("1|2.5", {"enum": [1, 2.5]}),
        ("(number|null)", {"anyOf": [{"type": "number"}, {"type": "null"}]}),
        ("?string", {"anyOf": [{"type": "string"}, {"type": "null"}]}),
        ("!number", {"type": "number"}),
        ("number|any", {}),
        ("*", {}),
        ("Date", {}),
        ("", {}),
        ("{{", {}),
        ("[" * 900, {}),
        ("(" * 400 + ")" * 400, {}),
        ("x" * 5000, {}),
        (
            "{a: number, b?: 'x'|'y'}",
            {
                "type": "object",
                "properties": {"a": {"type": "number"}, "b": {"enum": ["x", "y"]}},
                "required": ["a"],
                "additionalProperties": False,
            },
        ),
    ],
)
def test_types(text: str, schema: Any) -> None:
    assert schema_of_type(text) == (schema, False)


def test_optional_and_variadic_types() -> None:
    assert schema_of_type("number=") == ({"type": "number"}, True)
    assert schema_of_type("...number") == ({"type": "number"}, False)


PIECES = [*"{}[]a.=|<>'?\n *", "@param ", "@schema ", "b.c", "number"]


def test_any_comment_gives_a_schema_that_is_json_or_a_code_error(signatures: Callable[..., Any]) -> None:
    codes = []

    @given(st.text(max_size=300) | st.lists(st.sampled_from(PIECES), max_size=80).map("".join))
    @settings(max_examples=200, database=None)
    def collect(text: str) -> None:
        codes.append(f"/** {text.replace('*/', '')} */ (a, {{b, c: {{d = 1}}}}, ...e) => 1")

    collect()
    for code, signature in zip(codes, signatures(codes), strict=True):
        assert not isinstance(signature, Unreadable)
        try:
            function = function_of("f", code, signature)
        except CodeError:
            continue
        json.dumps(function.tool.parameters, allow_nan=False)
        assert function.tool.parameters["type"]
        assert isinstance(function.tool.parameters["properties"], dict)


def test_functions_of_a_request(functions_of: Callable[..., Any]) -> None:
    add, sub = functions_of([("add", "(a, b) => a + b"), ("sub", "(a, b) => a - b")])
    assert (add.name, add.code, sub.name) == ("add", "(a, b) => a + b", "sub")


def test_functions_are_read_once(sandbox: Sandbox) -> None:
    calls: list[list[str]] = []

    class Watched(Sandbox):
        async def run(self, name: str, code: str, arguments: tuple[str | None, ...], limits: Limits) -> Outcome:
            calls.append([name for name, _ in json.loads(arguments[0] or "")])
            return await sandbox.run(name, code, arguments, limits)

    reader = FunctionReader(Watched(seconds=1, memory_mb=32))
    one, two, bad = ("one", "(a) => a"), ("two", "(a) => a"), ("bad", "1")
    first = asyncio.run(reader.functions_of("a", [one, two]))
    assert asyncio.run(reader.functions_of("b", [one, two])) == first
    for _ in range(2):
        with pytest.raises(InvalidInput, match=r"functions\.1\.code: it neither"):
            asyncio.run(reader.functions_of("a", [one, bad]))
    assert calls == [["one", "two"], ["bad"]]


def test_an_account_does_not_keep_another_waiting(sandbox: Sandbox) -> None:
    class Slow(Sandbox):
        """Reads nothing of the account "evil" until it may."""

        may_go = asyncio.Event()

        async def run(self, name: str, code: str, arguments: tuple[str | None, ...], limits: Limits) -> Outcome:
            if "evil" in (arguments[0] or ""):
                await self.may_go.wait()
            return await sandbox.run(name, code, arguments, limits)

    async def scenario() -> Function:
        reader = FunctionReader(Slow(seconds=1, memory_mb=32))
        evil = [reader.functions_of("evil", [(f"evil{n}", "() => 1")]) for n in range(200)]
        tasks = [asyncio.ensure_future(one) for one in evil]
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        assert all(isinstance(task.exception(), Busy) for task in done)
        (good,) = await reader.functions_of("good", [("good", "(a) => a")])
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return good

    assert asyncio.run(scenario()).parameters == ("a",)


@pytest.mark.parametrize(
    ("outcome", "error", "words"),
    [
        (
            Failed("limit", "The function took more than 6 seconds."),
            InvalidInput,
            "functions: reading .* too much time",
        ),
        (Failed("exception", "InternalError: out of memory"), InvalidInput, "functions: reading .* too much time"),
        (Failed("crash", "It broke down."), EngineFailed, "cannot be read. It broke down"),
        (Returned("[]"), EngineFailed, "not understood"),
        (Returned('[{"type": "Signature"}, 1]'), EngineFailed, "not understood"),
        (Returned("[" * 100_000), EngineFailed, "not understood"),
    ],
)
def test_a_reader_that_does_not_do_its_work(outcome: Outcome, error: type[Exception], words: str) -> None:
    class Broken(Sandbox):
        async def run(self, name: str, code: str, arguments: tuple[str | None, ...], limits: Limits) -> Outcome:
            return outcome

    with pytest.raises(error, match=words):
        asyncio.run(
            FunctionReader(Broken(seconds=1, memory_mb=32)).functions_of("local", [("f", "() => 1"), ("g", "() => 1")])
        )


@pytest.mark.parametrize(
    ("given_functions", "problem"),
    [
        ([("f", "() => 1"), ("f", "() => 2")], "functions.1.name: f is the name of another function"),
        ([("", "() => 1")], "functions.0.name: should be 1 to 64"),
        ([("a b", "() => 1")], "functions.0.name: should be 1 to 64"),
        ([("f" * 65, "() => 1")], "functions.0.name: should be 1 to 64"),
        ([("f", "1")], "functions.0.code: it neither is a function nor declares one with the name f"),
        ([("f", " " * (MAX_CODE + 1))], f"functions.0.code: should have at most {MAX_CODE} characters"),
        (
            [(f"f{n}", "() => 1".ljust(MAX_CODE)) for n in range(5)],
            f"functions: should have at most {MAX_TOTAL_CODE} characters of code together",
        ),
        ([(f"f{n}", "() => 1") for n in range(MAX_FUNCTIONS + 1)], f"functions: should have at most {MAX_FUNCTIONS}"),
    ],
)
def test_functions_that_are_refused(functions_of: Callable[..., Any], given_functions: Any, problem: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        functions_of(given_functions)
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    "piece", ["@param {a} b ", "@param {", "\n@param {number} a", "\n@param {x} a.b.c.d.e.f.g", "{[(<", "\n * "]
)
def test_long_comments_are_read_to_their_end(function_in: Callable[..., Any], piece: str) -> None:
    text = (piece * MAX_CODE)[: MAX_CODE - 40]
    assert function_in("f", f"/** {text} */ (a, b) => 1").parameters == ("a", "b")
