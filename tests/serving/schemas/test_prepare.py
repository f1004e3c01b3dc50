"""What fits the grammar of a schema fits the schema: by the public test suite, by another library, for any schema."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from fireside.errors import BadGrammar
from fireside.serving.schemas import prepare
from support.grammars import json_grammar, open_constraint, ramble, takes, takes_value

SUITE = Path(__file__).parents[2] / "data" / "json-schema-test-suite"
GROUPS: list[tuple[str, dict[str, Any]]] = [
    (path.stem, group)
    for path in sorted(SUITE.glob("*.json"))
    for group in json.loads(path.read_text(encoding="utf-8"))
]
REFUSED = ("contains", "dependentSchemas", "unevaluatedProperties")
"""Keywords of which the suite has nothing that constrains nothing."""


@pytest.mark.parametrize(
    ("keyword", "group"), GROUPS, ids=[f"{keyword}-{group['description']}" for keyword, group in GROUPS]
)
def test_no_instance_that_the_public_suite_calls_invalid_fits(keyword: str, group: dict[str, Any]) -> None:
    grammar = grammar_or_none(group["schema"])
    if grammar is None:
        return
    for test in group["tests"]:
        assert test["valid"] or not takes_value(grammar, test["data"]), test["description"]


@pytest.mark.parametrize("keyword", sorted({path.stem for path in SUITE.glob("*.json")}))
def test_instances_that_the_public_suite_calls_valid_fit_wherever_the_keyword_is_supported(keyword: str) -> None:
    groups = [group for name, group in GROUPS if name == keyword]
    valid = [
        takes_value(grammar, test["data"])
        for group in groups
        if (grammar := grammar_or_none(group["schema"])) is not None
        for test in group["tests"]
        if test["valid"]
    ]
    # Not all of them: the order of properties is the schema's, and 1.0 is not written for 1.
    assert sum(valid) >= 0.7 * len(valid)
    assert bool(valid) == (keyword not in REFUSED)


def grammar_or_none(schema: Any) -> str | None:
    try:
        grammar = json_grammar(schema)
        open_constraint(grammar)
    except BadGrammar:
        return None
    return grammar


names = st.sampled_from(["a", "b", "name", "ünï", 'q"uote', "$ref"])
numbers = st.one_of(
    st.builds(
        lambda low, span: {"type": "integer", "minimum": low, "maximum": low + span},
        st.integers(-50, 50),
        st.integers(0, 99),
    ),
    st.builds(
        lambda low, span: {"type": "number", "exclusiveMinimum": low, "maximum": low + span},
        st.integers(-5, 5),
        st.integers(1, 9),
    ),
    st.builds(lambda step: {"type": "integer", "multipleOf": step}, st.integers(1, 12)),
    st.just({"type": "number"}),
)
strings = st.one_of(
    st.builds(
        lambda least, more: {"type": "string", "minLength": least, "maxLength": least + more},
        st.integers(0, 5),
        st.integers(0, 5),
    ),
    st.builds(
        lambda pattern: {"type": "string", "pattern": pattern},
        st.sampled_from(["^[a-c]+$", "x", r"^\d{2}-\w*$", "^(yes|no)$"]),
    ),
    st.builds(
        lambda name: {"type": "string", "format": name}, st.sampled_from(["date", "uuid", "ipv4", "time", "of-our-own"])
    ),
    st.just({"type": "string"}),
)
constants = st.one_of(
    st.builds(
        lambda value: {"const": value}, st.sampled_from([None, True, 0, -3, 2.5, "", "x\ny", [1, "a"], {"k": [None]}])
    ),
    st.builds(
        lambda values: {"enum": values},
        st.lists(st.sampled_from(["red", "blue", 3, None, False]), min_size=1, unique=True),
    ),
)


def compound(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    properties = st.dictionaries(names, inner, min_size=1, max_size=3)
    objects = properties.flatmap(
        lambda given: st.fixed_dictionaries(
            {
                "type": st.just("object"),
                "properties": st.just(given),
                "required": st.lists(st.sampled_from(list(given)), unique=True),
            },
            optional={
                "additionalProperties": st.booleans() | inner,
                "maxProperties": st.integers(0, 4),
                "minProperties": st.integers(0, 3),
            },
        )
    )
    maps = st.builds(
        lambda value, most: {"type": "object", "additionalProperties": value, "maxProperties": most},
        inner,
        st.integers(0, 3),
    )
    patterns = st.builds(
        lambda value: {"patternProperties": {"^k_[a-z]$": value}, "additionalProperties": False, "type": "object"},
        inner,
    )
    lists = st.builds(
        lambda item, least, more: {"type": "array", "items": item, "minItems": least, "maxItems": least + more},
        inner,
        st.integers(0, 2),
        st.integers(0, 2),
    )
    tuples = st.builds(
        lambda items, rest: {"type": "array", "prefixItems": items, "items": rest},
        st.lists(inner, min_size=1, max_size=2),
        st.booleans() | inner,
    )
    unions = st.builds(
        lambda key, items: {key: items},
        st.sampled_from(["anyOf", "oneOf", "allOf"]),
        st.lists(inner, min_size=1, max_size=3),
    )
    mixed = st.builds(lambda one, two: {**one, **two}, inner, inner)
    return st.one_of(objects, maps, patterns, lists, tuples, unions, mixed)


leaves = st.one_of(
    numbers,
    strings,
    constants,
    st.sampled_from([{"type": "boolean"}, {"type": "null"}, {"type": ["string", "null"]}, {}]),
)
schemas = st.recursive(leaves, compound, max_leaves=8)


@settings(max_examples=150)
@given(schema=schemas, number=st.integers(0, 1000), most=st.sampled_from([5, 30, 100]))
def test_whatever_a_model_says_fits_any_schema_that_is_taken(schema: dict[str, Any], number: int, most: int) -> None:
    grammar = grammar_or_none(schema)
    if grammar is None:
        return
    said = ramble(grammar, number, most=most)
    jsonschema.validate(json.loads(said), schema, jsonschema.Draft202012Validator)


def test_the_schemas_above_are_mostly_taken() -> None:
    """Or else they would show nothing."""
    taken = []

    @seed(0)
    @settings(max_examples=150, database=None)
    @given(schema=schemas)
    def look(schema: dict[str, Any]) -> None:
        taken.append(grammar_or_none(schema) is not None)

    look()
    assert sum(taken) > 0.6 * len(taken)


def test_whatever_else_a_client_writes_into_a_schema_cannot_switch_checks_off() -> None:
    trick = {"x-guidance": {"lenient": True, "item_separator": "x"}}
    with pytest.raises(BadGrammar, match="at /uniqueItems, cannot be used: uniqueItems is not supported"):
        json_grammar({"uniqueItems": True, **trick})
    grammar = json_grammar({"type": "array", "items": {"type": "null", **trick}, **trick})
    assert takes_value(grammar, [None, None])
    assert not takes(grammar, "[nullxnull]")


def test_what_says_nothing_is_left_out() -> None:
    schema = {"type": "array", "uniqueItems": False, "items": {"type": "string", "format": "password"}}
    assert takes_value(json_grammar(schema), ["a", "a"])
    assert not takes_value(json_grammar({"type": "string", "format": "ipv4"}), "1.2.3")
    kept = {"properties": {"format": {"const": "odd"}, "x-guidance": {"type": "null"}}, "enum": [{"format": "odd"}]}
    assert {key: prepare(kept, "It")[key] for key in kept} == kept


def test_objects_that_list_their_properties_get_no_others_unless_they_say_so() -> None:
    listed = {"type": "object", "properties": {"a": {"type": "integer"}}}
    assert not takes_value(json_grammar(listed), {"a": 1, "b": 2})
    assert takes_value(json_grammar({**listed, "additionalProperties": True}), {"a": 1, "b": 2})
    assert takes_value(json_grammar({"type": "object"}), {"a": 1, "b": 2})
    # Where a value must fit two schemas, each has properties that the other does not list.
    both = {"allOf": [listed, {"properties": {"b": {"type": "null"}}, "required": ["a", "b"]}]}
    assert takes_value(json_grammar(both), {"a": 1, "b": None})
    beside = {**listed, "anyOf": [{"properties": {"b": {"type": "null"}}, "required": ["b"]}]}
    assert takes_value(json_grammar(beside), {"a": 1, "b": None})


def test_properties_that_may_come_twice_are_not_counted_on() -> None:
    for schema in (
        {"type": "object", "minProperties": 2},
        {"type": "object", "patternProperties": {"^a": {}}, "additionalProperties": False, "minProperties": 2},
        {"items": {"minProperties": 3, "required": ["a", "b"]}},
    ):
        with pytest.raises(BadGrammar, match="minProperties above 1"):
            prepare(schema, "It")
    for schema in (
        {"type": "object", "minProperties": 1},
        {"type": "object", "minProperties": 2, "required": ["a", "b"]},
        {"type": "object", "minProperties": 2, "properties": {"a": {}, "b": {}}, "additionalProperties": False},
    ):
        prepare(schema, "It")


def test_a_schema_nested_beyond_reason_is_refused() -> None:
    schema: dict[str, Any] = {}
    for _ in range(100_000):
        schema = {"items": schema}
    with pytest.raises(BadGrammar, match="nested too deeply"):
        json_grammar(schema)
    schema = {}
    for _ in range(200):
        schema = {"items": schema}
    with pytest.raises(BadGrammar, match="nested too deeply"):
        open_constraint(json_grammar(schema))


def test_a_schema_that_multiplies_itself_is_refused_before_it_does() -> None:
    names = {"enum": [str(number) for number in range(10_000)]}
    chain = {f"d{number}": {"$ref": f"#/$defs/d{number + 1}"} for number in range(50)}
    schemas: list[dict[str, Any]] = [
        {"anyOf": [{"propertyNames": {"$ref": "#/$defs/a"}}] * 9000, "$defs": {"a": names}},
        {"anyOf": [{"oneOf": [{"$ref": "#/$defs/d0"}] * 2}] * 5000, "$defs": {**chain, "d50": {}}},
        {"properties": {str(number): {} for number in range(30_000)}},
    ]
    for schema in schemas:
        with pytest.raises(BadGrammar, match="more than 20000 schemas and references"):
            prepare(schema, "It")


def test_a_message_stays_short_whatever_it_names() -> None:
    long = "x" * 10_000
    for schema in ({"properties": {long: {"type": long}}}, {"$ref": f"#/{long}"}, {"minimum": long}):
        with pytest.raises(BadGrammar) as refused:
            prepare(schema, "It")
        assert len(str(refused.value)) < 500
