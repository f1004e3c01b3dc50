"""Every keyword of every draft: what constrains nothing passes, the rest is held to or refused by name and place."""

import json
from typing import Any, NamedTuple

import pytest
from jsonschema_specifications import REGISTRY

from fireside.errors import BadGrammar
from fireside.serving.schemas.rules import UNSUPPORTED
from support.grammars import json_grammar, open_constraint, takes_value

DRAFTS = ("draft-04/schema", "draft-06/schema", "draft-07/schema", "draft/2019-09/schema", "draft/2020-12/schema")


def specified() -> set[str]:
    """The keywords that the drafts' own meta-schemas name, and OpenAPI's."""
    found = {"nullable", "discriminator", "example", "externalDocs", "xml", "contentSchema"}
    for uri in REGISTRY:
        contents = REGISTRY[uri].contents
        if any(draft.removesuffix("/schema") in uri for draft in DRAFTS):
            found |= contents.get("properties", {}).keys()
    return found


class Held(NamedTuple):
    """A schema, a value that fits it and one that it rules out."""

    schema: Any
    fits: Any
    not_fits: Any


class Refused(NamedTuple):
    """A schema, and the place that its refusal names."""

    schema: Any
    place: str


ANNOTATIONS: dict[str, Any] = {
    "$comment": "why", "title": "T", "description": "D", "default": {"not": {}}, "examples": [1], "example": 1,
    "deprecated": True, "readOnly": True, "writeOnly": True, "contentEncoding": "base64", "contentMediaType": "a/b",
    "contentSchema": {"not": {}}, "$schema": "https://example.com/of-our-own", "$id": "https://example.com/x",
    "id": "not a URI", "$anchor": "here", "$dynamicAnchor": "here", "$recursiveAnchor": True, "$vocabulary": {},
    "definitions": {"unused": {"not": {"type": "null"}}}, "$defs": {"unused": {"uniqueItems": True}},
    "discriminator": {"propertyName": "a"}, "externalDocs": {}, "xml": {}, "x-of-our-own": {"not": {}}, "unheard-of": 1,
}  # fmt: skip

IDLE: dict[str, list[Any]] = {
    "type": [["null", "boolean", "string", "number", "array", "object"]],
    "enum": [None],
    "format": ["password", "of-our-own"],
    "pattern": ["", None],
    "minLength": [0, 0.0, None],
    "maxLength": [2**31, 1e12],
    "minItems": [0],
    "maxItems": [2**40],
    "minProperties": [0],
    "maxProperties": [2**40],
    "required": [[], False, True, None],
    "properties": [None],
    "patternProperties": [{}],
    "additionalProperties": [True, {}, {"description": "any"}, None],
    "propertyNames": [True, {}, {"type": "string"}, {"type": ["string", "null"], "title": "a name"}, {"minLength": 0}],
    "items": [True, {}, None],
    "prefixItems": [[]],
    "additionalItems": [False, {"type": "null"}],
    "uniqueItems": [False],
    "minContains": [3],
    "maxContains": [0],
    "minimum": [None],
    "maximum": [None],
    "exclusiveMinimum": [False, True],
    "exclusiveMaximum": [False, True],
    "multipleOf": [None],
    "allOf": [[], [{}], [True]],
    "anyOf": [[{}], [True]],
    "oneOf": [[{}], [{"title": "any"}]],
    "not": [False],
    "if": [{"type": "null"}, False],
    "then": [False],
    "else": [{"type": "null"}],
    "dependencies": [{}, {"a": []}, {"a": {}}, {"a": True}],
    "dependentRequired": [{}, {"a": []}],
    "dependentSchemas": [{}, {"a": {"title": "any"}}],
    "unevaluatedProperties": [True, {}],
    "unevaluatedItems": [True, {}],
    "nullable": [True, False],
}
"""Values with which a keyword that may constrain constrains nothing."""

OBJECT = {"type": "object"}
NULL = {"type": "null"}
CAT = {"type": "object", "properties": {"is": {"const": "cat"}}, "required": ["is"]}
DOG = {
    "type": "object",
    "properties": {"is": {"enum": ["dog", "puppy"]}, "age": {"type": "integer"}},
    "required": ["is"],
}
FISH = {"type": "object", "properties": {"is": {"const": "fish", "default": "fish"}}}
EEL = {"type": "object", "properties": {"is": {"const": "eel"}}}
TREE = {"type": "object", "properties": {"next": {"$recursiveRef": "#"}}, "additionalProperties": False}

CONSTRAINING: dict[str, list[Held | Refused]] = {
    "type": [Held({"type": "null"}, None, 1), Refused({"items": {"type": "any"}}, "/items/type")],
    "const": [Held({"const": None}, None, 1)],
    "enum": [Held({"enum": [1, None]}, None, 2), Refused({"enum": []}, "/enum")],
    "format": [Held({"type": "string", "format": "date"}, "2024-02-29", "2024-02-30")],
    "pattern": [
        Held({"type": "string", "pattern": "^a"}, "ab", "ba"),
        Refused({"items": {"pattern": "(?=a)"}}, "/items"),
    ],
    "minLength": [Held({"minLength": 2.0}, "ab", "a"), Refused({"minLength": -1}, "/minLength")],
    "maxLength": [Held({"maxLength": 2}, "ab", "abc"), Refused({"maxLength": "2"}, "/maxLength")],
    "minItems": [Held({"minItems": 2}, [1, 1], [1]), Refused({"minItems": 2**40}, "/minItems")],
    "maxItems": [Held({"maxItems": 1}, [1], [1, 1])],
    "minProperties": [Held({"minProperties": 1}, {"a": 1}, {}), Refused({"minProperties": 2}, "/minProperties")],
    "maxProperties": [Held({"maxProperties": 1}, {"a": 1}, {"a": 1, "b": 1})],
    "required": [
        Held({"required": ["a"]}, {"a": 1}, {}),
        Held({"properties": {"a": {"type": "null", "required": True}}}, {"a": None}, {}),
        Refused({"required": "a"}, "/required"),
    ],
    "properties": [Held({"properties": {"a": {"type": "null"}}}, {"a": None}, {"a": 1})],
    "patternProperties": [Held({"patternProperties": {"^a": {"type": "null"}}}, {"ab": None, "b": 1}, {"ab": 1})],
    "additionalProperties": [Held({"additionalProperties": {"type": "null"}}, {"a": None}, {"a": 1})],
    "propertyNames": [
        Held({**OBJECT, "propertyNames": {"enum": ["a", "b"]}, "additionalProperties": NULL}, {"b": None}, {"b": 1}),
        Held({**OBJECT, "propertyNames": {"const": "a"}}, {"a": 1}, {"b": 1}),
        Held({**OBJECT, "propertyNames": {"$ref": "#/$defs/x"}, "$defs": {"x": {"pattern": "^a"}}}, {"a": 1}, {"b": 1}),
        Held({**OBJECT, "propertyNames": {"minLength": 2, "maxLength": 3}}, {"ab": 1}, {"a": 1}),
        Refused({"propertyNames": {"format": "date"}}, "/propertyNames"),
        Refused({"propertyNames": False}, "/propertyNames"),
    ],
    "items": [Held({"items": {"type": "null"}}, [None], [1]), Held({"items": [{"type": "null"}]}, [None, 1], [1])],
    "prefixItems": [Held({"prefixItems": [{"type": "null"}]}, [None, 1], [1])],
    "additionalItems": [Held({"items": [{}], "additionalItems": {"type": "null"}}, [1, None], [1, 1])],
    "uniqueItems": [Refused({"properties": {"a": {"uniqueItems": True}}}, "/properties/a/uniqueItems")],
    "contains": [Refused({"contains": {"type": "null"}}, "/contains")],
    "minContains": [Refused({"contains": {}, "minContains": 2}, "/contains")],
    "maxContains": [Refused({"contains": {}, "maxContains": 2}, "/contains")],
    "minimum": [
        Held({"minimum": 3}, 3, 2),
        Refused({"minimum": "3"}, "/minimum"),
        Refused({"minimum": 1e300}, "/minimum"),
        Refused({"items": {"minimum": 1e-300}}, "/items"),
    ],
    "maximum": [Held({"maximum": 3}, 3, 4), Held({"maximum": 1e300, "type": "integer"}, 5, "5")],
    "exclusiveMinimum": [
        Held({"exclusiveMinimum": 3}, 4, 3),
        Held({"exclusiveMinimum": True, "minimum": 3}, 4, 3),
    ],
    "exclusiveMaximum": [
        Held({"exclusiveMaximum": 3}, 2, 3),
        Held({"exclusiveMaximum": True, "maximum": 3}, 2, 3),
    ],
    "multipleOf": [Held({"multipleOf": 3}, 6, 7), Refused({"multipleOf": 0}, "/multipleOf")],
    "allOf": [
        Held({"allOf": [{"minimum": 3}, {"maximum": 5}]}, 4, 6),
        Refused({"allOf": [{"minItems": []}]}, "/allOf/0/minItems"),
    ],
    "anyOf": [Held({"anyOf": [{"const": 1}, {"const": 2}]}, 2, 3), Refused({"anyOf": {}}, "/anyOf")],
    "oneOf": [
        Held({"oneOf": [{"type": "null"}, {"type": "string"}]}, "a", 1),
        Held({"oneOf": [{"$ref": "#/$defs/c"}, DOG], "$defs": {"c": CAT}}, {"is": "puppy", "age": 2}, {"is": "cow"}),
        Held({"oneOf": [CAT, DOG, {"type": "null"}]}, None, {"age": 2}),
        Refused({"items": {"oneOf": [CAT, {**CAT, "maxProperties": 1}]}}, "/items"),
        Refused({"oneOf": [CAT, FISH, EEL, DOG, {"minItems": 1}]}, ""),
    ],
    "discriminator": [
        Held({"oneOf": [CAT, FISH], "discriminator": {"propertyName": "is"}}, {"is": "fish"}, {}),
        Refused({"oneOf": [EEL, FISH], "discriminator": {"propertyName": "kind"}}, ""),
    ],
    "not": [Refused({"not": {"type": "null"}}, "/not"), Held({"properties": {"a": {"not": {}}}}, {}, {"a": 1})],
    "if": [Refused({"if": {"type": "null"}, "then": {"const": None}}, "/if")],
    "then": [Refused({"if": {}, "then": False}, "/if")],
    "else": [Refused({"if": {}, "else": False}, "/if")],
    "dependencies": [
        Refused({"dependencies": {"a": ["b"]}}, "/dependencies"),
        Refused({"dependencies": {"a": {"minProperties": 2}}}, "/dependencies"),
    ],
    "dependentRequired": [
        Refused({"dependentRequired": {"a": ["b"]}}, "/dependentRequired"),
        Held({"dependentRequired": {"a": ["b"]}, "required": ["b"]}, {"b": 1}, {"a": 1}),
    ],
    "dependentSchemas": [Refused({"dependentSchemas": {"a": {"required": ["b"]}}}, "/dependentSchemas")],
    "unevaluatedProperties": [
        Held({**OBJECT, "properties": {"a": {}}, "unevaluatedProperties": NULL}, {"a": 1, "b": None}, {"b": 1}),
        Held({"additionalProperties": {"type": "null"}, "unevaluatedProperties": False}, {"a": None}, {"a": 1}),
        Refused({"allOf": [CAT], "unevaluatedProperties": False}, "/unevaluatedProperties"),
    ],
    "unevaluatedItems": [
        Held({"prefixItems": [{}], "unevaluatedItems": False}, [1], [1, 1]),
        Refused({"anyOf": [{"minItems": 1}], "unevaluatedItems": False}, "/unevaluatedItems"),
    ],
    "nullable": [
        Held({"type": "string", "nullable": True}, None, 1),
        Held({"type": ["string"], "nullable": True}, None, 1),
    ],
    "$ref": [
        Held({"$ref": "#/definitions/a b", "definitions": {"a b": {"type": "null"}}}, None, 1),
        Held({"items": {"$ref": "#/x-of-ours/n"}, "x-of-ours": {"n": {"type": "null"}}}, [None], [1]),
        Held({"$ref": "x#n", "$id": "http://e.x/x", "$defs": {"n": {"$anchor": "n", "type": "null"}}}, None, 1),
        Refused({"items": {"$ref": "https://example.com/schema"}}, "/items/$ref"),
        Refused({"items": {"$ref": "file:///etc/passwd"}}, "/items/$ref"),
        Refused({"items": {"$ref": "#/$defs/none"}}, "/items/$ref"),
        Refused({"$ref": "#/$defs/a/items", "$defs": {"a": {"items": {"minItems": "1"}}}}, "/$defs/a/items/minItems"),
        Refused({"$ref": "#/$defs/a", "$defs": {"a": {"items": {"pattern": "("}}}}, "/$defs/a/items"),
        Refused({"items": {"$ref": "http://["}}, "/items/$ref"),
        Refused({"$ref": 5}, "/$ref"),
    ],
    "$dynamicRef": [
        Held({"items": {"$dynamicRef": "#n"}, "$defs": {"n": {"$dynamicAnchor": "n", "type": "null"}}}, [None], [1]),
        Refused({"$dynamicRef": "#n", "$defs": {"n": {"$id": "b", "$dynamicAnchor": "n"}}}, "/$dynamicRef"),
    ],
    "$recursiveRef": [
        Held(TREE, {"next": {"next": {}}}, {"next": 1}),
        Refused({"$recursiveRef": "#", "$defs": {"n": {"$id": "b"}}}, "/$recursiveRef"),
    ],
}  # fmt: skip
ANY = [None, True, 1, -2.5, "text", [], [1, 1], {}, {"a": 1}]


def test_every_keyword_of_the_drafts_is_tried() -> None:
    tried = IDLE.keys() | CONSTRAINING.keys() | ANNOTATIONS.keys()
    assert len(specified()) > 60
    assert not specified() - tried
    assert UNSUPPORTED.keys() <= CONSTRAINING.keys()


@pytest.mark.parametrize("keyword", ANNOTATIONS)
def test_an_annotation_changes_nothing(keyword: str) -> None:
    grammar = json_grammar({"type": "null", keyword: ANNOTATIONS[keyword]})
    assert grammar == json_grammar({"type": "null"})
    nested = json_grammar({"items": {keyword: ANNOTATIONS[keyword], "type": "null"}, "type": "array"})
    assert nested == json_grammar({"items": {"type": "null"}, "type": "array"})


@pytest.mark.parametrize(("keyword", "value"), [(keyword, value) for keyword in IDLE for value in IDLE[keyword]])
def test_what_constrains_nothing_passes(keyword: str, value: Any) -> None:
    grammar = json_grammar({keyword: value})
    for anything in ANY:
        assert takes_value(grammar, anything), anything


@pytest.mark.parametrize(
    ("keyword", "case"), [(keyword, case) for keyword in CONSTRAINING for case in CONSTRAINING[keyword]]
)
def test_what_constrains_is_held_to_or_refused_by_name_and_place(keyword: str, case: Held | Refused) -> None:
    if isinstance(case, Held):
        grammar = json_grammar(case.schema)
        assert takes_value(grammar, case.fits)
        assert not takes_value(grammar, case.not_fits)
        return
    with pytest.raises(BadGrammar) as refused:
        open_constraint(json_grammar(case.schema))
    message = str(refused.value)
    assert message.startswith(f"The JSON schema{f', at {case.place},' if case.place else ''} cannot be used: ")
    assert UNSUPPORTED.get(case.place.rpartition("/")[2], "") in message


@pytest.mark.parametrize("draft", ["http://json-schema.org/draft-04/schema#", "http://json-schema.org/draft-07/schema"])
def test_an_older_draft_is_no_way_around_a_newer_keyword(draft: str) -> None:
    with pytest.raises(BadGrammar, match="at /dependentRequired, cannot be used"):
        json_grammar({"$schema": draft, "dependentRequired": {"a": ["b"]}})
    assert not takes_value(json_grammar({"$schema": draft, "prefixItems": [{"type": "null"}]}), [1])
    assert not takes_value(json_grammar({"$schema": draft, "const": 1}), 2)


ENDLESS = [
    {"$ref": "#"},
    {"allOf": [{"$ref": "#/$defs/a"}], "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"anyOf": [{"$ref": "#/$defs/a"}]}}},
    {"type": "object", "properties": {"child": {"$ref": "#"}}, "required": ["child"]},
    {"type": "array", "items": {"$ref": "#"}, "minItems": 1},
    {"type": "array", "prefixItems": [{"$ref": "#"}], "minItems": 1},
]


@pytest.mark.parametrize("schema", ENDLESS)
def test_a_schema_that_no_answer_can_end_is_refused(schema: Any) -> None:
    with pytest.raises(BadGrammar, match="cannot be used: it always holds itself again"):
        json_grammar(schema)
    with pytest.raises(
        BadGrammar, match=r"at /definitions/a~1b(/\$defs/[ab])?, cannot be used: it always holds itself again"
    ):
        json_grammar({"items": {"$ref": "#/definitions/a~1b"}, "definitions": {"a/b": _moved(schema)}})


def _moved(schema: Any) -> Any:
    """The same schema as the definition a/b."""
    return json.loads(json.dumps(schema).replace('"#', '"#/definitions/a~1b'))


def test_a_schema_within_itself_passes_where_answers_can_end() -> None:
    node = {
        "type": "object",
        "properties": {"child": {"anyOf": [{"$ref": "#"}, {"type": "null"}]}},
        "required": ["child"],
    }
    assert takes_value(json_grammar(node), {"child": {"child": None}})
    listed = {"type": "array", "items": {"$ref": "#"}}
    assert takes_value(json_grammar(listed), [[], [[]]])
