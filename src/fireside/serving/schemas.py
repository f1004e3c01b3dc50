"""From a client's JSON schema to one that llguidance holds an answer to, without promising more than it keeps.

What it does not know of the keywords that matter (`not`, `uniqueItems`, `if`, …) it refuses itself, by name. Here is
what it would take, but not in a client's sense.
"""

from collections.abc import Mapping
from typing import Any

from fireside.errors import BadGrammar

LAID_OUT = {"whitespace_pattern": r"( |\n {0,20})"}
"""Between the parts of JSON: none, one space, or a new line with its indentation. A weak model that may write as much
of it as it likes sometimes writes nothing else."""

ON_ONE_LINE = {"whitespace_pattern": " "}
"""For JSON that nobody looks at: line breaks and indentation would only be tokens to wait for."""

FORMATS = frozenset(("date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid", "uri"))
"""Formats that are held to; any other one is a comment, as JSON Schema has it."""

_DATA = ("const", "enum", "default", "examples", "example")
_MAPS = ("properties", "patternProperties", "$defs", "definitions")
_COMBINING = ("allOf", "oneOf")
_OBJECT = ("properties", "required", "additionalProperties", "patternProperties")


def prepare(schema: Mapping[str, Any] | bool, layout: Mapping[str, Any] = LAID_OUT) -> dict[str, Any]:
    """The schema for llguidance's `%json`; every answer that fits it fits `schema`. It is JSON already, but for depth.

    Args:
        layout: llguidance's options for what stands between the parts.

    Raises BadGrammar.
    """
    root = {"allOf": [schema]} if isinstance(schema, bool) else schema
    try:
        closing = not _combines(root)
        prepared: dict[str, Any] = _prepared(root, closing)
    except RecursionError:
        raise BadGrammar("The JSON schema is nested too deeply.") from None
    # Also takes the place of a client's own, which could switch checks off.
    return {**prepared, "x-guidance": layout}


def _combines(node: Any) -> bool:
    """Whether a value must fit several schemas at once somewhere: then none of them may be made stricter alone."""
    if isinstance(node, list):
        return any(map(_combines, node))
    if not isinstance(node, Mapping):
        return False
    mixed = ("anyOf" in node or "$ref" in node) and any(key in node for key in _OBJECT)
    return mixed or any(key in node for key in _COMBINING) or any(map(_combines, node.values()))


def _prepared(node: Any, closing: bool) -> Any:
    if isinstance(node, list):
        return [_prepared(item, closing) for item in node]
    if not isinstance(node, Mapping):
        return node
    _check_count(node)
    made = {}
    for key, value in node.items():
        if key in _DATA:
            made[key] = value
        elif key in _MAPS and isinstance(value, Mapping):
            made[key] = {name: _prepared(child, closing) for name, child in value.items()}
        elif not _says_nothing(key, value):
            made[key] = _prepared(value, closing)
    if closing and "properties" in node and not any(key in node for key in _OPEN):
        # Else a weak model goes on inventing properties until max_tokens.
        made["additionalProperties"] = False
    return made


_OPEN = ("additionalProperties", "patternProperties", "minProperties", "maxProperties")


def _says_nothing(key: str, value: object) -> bool:
    return (
        key == "x-guidance"
        or (key == "uniqueItems" and value is False)
        or (key == "format" and isinstance(value, str) and value not in FORMATS)
    )


def _check_count(node: Mapping[str, Any]) -> None:
    """Freely named properties may come twice in an answer, which then has fewer of them than were counted."""
    least, required = node.get("minProperties"), node.get("required")
    named = len(required) if isinstance(required, list) else 0
    free = node.get("additionalProperties") is not False or "patternProperties" in node
    if isinstance(least, int) and least > max(1, named) and free:
        raise BadGrammar(
            "The JSON schema cannot be used: minProperties above 1 is not supported for objects with freely named "
            "properties. Name them in required, or set additionalProperties to false."
        )
