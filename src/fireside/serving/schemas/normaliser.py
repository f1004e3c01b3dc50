"""A client's JSON schema as one of 2020-12, of keywords alone that an answer can be held to."""

import math
from collections.abc import Mapping
from typing import Any

from fireside.engine.grammar.keywords import HELD, Kind, Place, pointer, reference
from fireside.serving.schemas.fault import SchemaFault, shown
from fireside.serving.schemas.nodes import Node
from fireside.serving.schemas.references import References, Target
from fireside.serving.schemas.rules import UNSUPPORTED, modern, says_nothing

MAX_SCHEMAS = 20_000
"""Schemas inside a schema, and references followed. llguidance takes 50,000, and counts each more than once."""

TYPES = ("string", "number", "integer", "boolean", "object", "array", "null")
_MEANT = {
    "str": "string",
    "text": "string",
    "int": "integer",
    "float": "number",
    "double": "number",
    "bool": "boolean",
    "dict": "object",
    "map": "object",
    "list": "array",
    "none": "null",
}


def normalised(root: Mapping[str, Any] | bool) -> Node | bool:
    """The schema with HELD's keywords alone, and at its root `$defs` with all that it refers to, and nothing else.

    A definition's name is the JSON pointer to where it stood. Raises SchemaFault, RecursionError.
    """
    return _Normaliser(root).run()


class _Normaliser:
    def __init__(self, root: Any) -> None:
        self._root = root
        self._references = References(root)
        self._names: dict[int, str] = {}
        self._waiting: list[tuple[str, Target]] = []
        self._count = 0

    def run(self) -> Node | bool:
        made = self._schema(self._root, (), "")
        definitions: Node = {}
        while self._waiting:
            name, target = self._waiting.pop()
            definitions[name] = self._schema(target.schema, target.place, target.base)
        return {**made, "$defs": definitions} if isinstance(made, dict) and definitions else made

    def _schema(self, given: Any, place: Place, inherited: str) -> Node | bool:
        self._work()
        if isinstance(given, bool):
            return given
        if not isinstance(given, Mapping):
            raise SchemaFault(place, f"{shown(given)} is not a schema: that is an object, true or false.")
        base = self._references.base(given, inherited)
        node = modern(given, place, lambda schema: self._resolved(schema, base, place), single=self._references.single)
        if "not" in node and says_nothing(node["not"]):
            return False
        for keyword in node:
            if keyword in UNSUPPORTED:
                raise SchemaFault((*place, keyword), f"{keyword} is not supported. {UNSUPPORTED[keyword]}")
        made: Node = {}
        for keyword, value in node.items():
            if keyword == "$ref":
                target = self._references.find(_checked(keyword, value, place), base, (*place, keyword))
                if target.schema is False:
                    return False
                if target.schema is not True:
                    made["$ref"] = self._name(target)
            elif keyword in HELD:
                made[keyword] = self._value(keyword, _checked(keyword, value, place), (*place, keyword), base)
        _check_count(made, place)
        return made

    def _value(self, keyword: str, value: Any, place: Place, base: str) -> Any:
        match HELD[keyword]:
            case Kind.SCHEMA:
                return self._schema(value, place, base)
            case Kind.SCHEMAS:
                return [self._schema(child, (*place, str(number)), base) for number, child in enumerate(value)]
            case Kind.NAMED_SCHEMAS:
                return {name: self._schema(child, (*place, name), base) for name, child in value.items()}
            case _:
                return value

    def _name(self, target: Target) -> str:
        """A reference to a schema, which becomes a definition."""
        if target.schema is self._root:
            return "#"
        if (name := self._names.get(id(target.schema))) is None:
            name = self._names[id(target.schema)] = pointer(target.place)
            self._waiting.append((name, target))
        return reference(name)

    def _work(self) -> None:
        """Raises SchemaFault when it becomes too much."""
        self._count += 1
        if self._count > MAX_SCHEMAS:
            raise SchemaFault((), f"it has more than {MAX_SCHEMAS} schemas and references. Use a smaller schema.")

    def _resolved(self, schema: Any, base: str, place: Place) -> Any:
        for _ in range(100):
            if not isinstance(schema, Mapping) or not isinstance(own := schema.get("$ref"), str):
                break
            self._work()
            schema, _, base = self._references.find(own, base, (*place, "$ref"))
        return schema


def _checked(keyword: str, value: Any, place: Place) -> Any:
    """A keyword's value. Raises SchemaFault when it is not of the keyword's kind."""
    kind = HELD[keyword]
    if not _fits(kind, value):
        hint = _hint(value) if kind is Kind.TYPE else ""
        raise SchemaFault((*place, keyword), f"{shown(value)} should be {kind}.{hint}")
    if value == [] and keyword in ("enum", "anyOf", "oneOf", "type"):
        raise SchemaFault((*place, keyword), "it lists nothing, so that no answer fits. Leave it out, or fill it.")
    if keyword == "multipleOf" and value == 0:
        raise SchemaFault((*place, keyword), "it should be above 0.")
    return value


def _fits(kind: Kind, value: Any) -> bool:
    match kind:
        case Kind.SCHEMAS | Kind.VALUES:
            return isinstance(value, list)
        case Kind.NAMED_SCHEMAS:
            return isinstance(value, Mapping)
        case Kind.COUNT:
            return isinstance(value, int) and not isinstance(value, bool) and value >= 0
        case Kind.NUMBER:
            return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        case Kind.TEXT:
            return isinstance(value, str)
        case Kind.NAMES:
            return isinstance(value, list) and all(isinstance(name, str) for name in value)
        case Kind.TYPE:
            return all(one in TYPES for one in (value if isinstance(value, list) else [value]))
        case _:
            return True


def _hint(value: Any) -> str:
    named = value.lower() if isinstance(value, str) else ""
    if named == "any":
        return " Leave it out where any value will do."
    meant = _MEANT.get(named, named if named in TYPES else None)
    return f" Perhaps {meant!r}?" if meant else ""


def _check_count(node: Node, place: Place) -> None:
    """Freely named properties may come twice in an answer, which then has fewer of them than were counted."""
    least = node.get("minProperties", 0)
    free = node.get("additionalProperties") is not False or "patternProperties" in node
    if free and least > max(1, len(set(node.get("required", [])))):
        raise SchemaFault(
            (*place, "minProperties"),
            "minProperties above 1 is not supported for objects with freely named properties. Name them in required, "
            "or set additionalProperties to false.",
        )
