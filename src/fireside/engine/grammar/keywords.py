"""The JSON Schema keywords that are enforced, and where they contain schemas.

Sources: JSON Schema 2020-12, core and validation; llguidance's docs/json_schema.md for the ones it supports.
"""

from collections.abc import Iterator
from enum import StrEnum
from typing import Any
from urllib.parse import quote, unquote

Place = tuple[str, ...]
"""A place in a schema: the keywords, names and indexes between the slashes of a JSON pointer."""


class Kind(StrEnum):
    """The type of a keyword's value, worded for messages."""

    SCHEMA = "a schema: an object, true or false"
    SCHEMAS = "a list of schemas"
    NAMED_SCHEMAS = "an object of schemas"
    COUNT = "a whole number, 0 or more"
    NUMBER = "a number"
    TEXT = "a text"
    NAMES = "a list of texts"
    TYPE = "one of string, number, integer, boolean, object, array and null, or a list of them"
    VALUE = "any value"
    VALUES = "a list of values"


HELD: dict[str, Kind] = {
    "type": Kind.TYPE,
    "const": Kind.VALUE,
    "enum": Kind.VALUES,
    "$ref": Kind.TEXT,
    "allOf": Kind.SCHEMAS,
    "anyOf": Kind.SCHEMAS,
    "oneOf": Kind.SCHEMAS,
    "properties": Kind.NAMED_SCHEMAS,
    "patternProperties": Kind.NAMED_SCHEMAS,
    "additionalProperties": Kind.SCHEMA,
    "required": Kind.NAMES,
    "minProperties": Kind.COUNT,
    "maxProperties": Kind.COUNT,
    "prefixItems": Kind.SCHEMAS,
    "items": Kind.SCHEMA,
    "minItems": Kind.COUNT,
    "maxItems": Kind.COUNT,
    "pattern": Kind.TEXT,
    "format": Kind.TEXT,
    "minLength": Kind.COUNT,
    "maxLength": Kind.COUNT,
    "minimum": Kind.NUMBER,
    "maximum": Kind.NUMBER,
    "exclusiveMinimum": Kind.NUMBER,
    "exclusiveMaximum": Kind.NUMBER,
    "multipleOf": Kind.NUMBER,
}
"""The keywords of a prepared schema, besides `$defs` at its root."""


def subschemas(node: Any) -> Iterator[tuple[Place, Any]]:
    """The schemas directly inside one, with their places. Accepts any value: a client's own grammar may contain any."""
    for key, value in node.items() if isinstance(node, dict) else ():
        match HELD.get(key):
            case Kind.SCHEMA:
                yield (key,), value
            case Kind.SCHEMAS if isinstance(value, list):
                yield from (((key, str(number)), child) for number, child in enumerate(value))
            case Kind.NAMED_SCHEMAS if isinstance(value, dict):
                yield from (((key, name), child) for name, child in value.items())


def reference(name: str) -> str:
    """The `$ref` to one of the root's `$defs`."""
    return f"#{quote(pointer(('$defs', name)))}"


def definition(reference: Any) -> str | None:
    """The name in the root's `$defs` that a `$ref` refers to; None for any other reference."""
    place = steps(unquote(reference[1:])) if isinstance(reference, str) else ()
    return place[1] if len(place) == 2 else None


def shown_place(place: Place) -> str:
    """The JSON pointer to a place in the client's schema; a prepared schema names definitions by their original one."""
    return place[1] + pointer(place[2:]) if place[:1] == ("$defs",) else pointer(place)


def steps(pointer: str) -> Place:
    """The place that a JSON pointer (RFC 6901) refers to."""
    return tuple(step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:])


def pointer(place: Place) -> str:
    """The JSON pointer to a place; empty for the root."""
    return "".join(f"/{step.replace('~', '~0').replace('/', '~1')}" for step in place)
