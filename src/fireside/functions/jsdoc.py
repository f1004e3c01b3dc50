"""Types of JSDoc comments as JSON schemas.

They are those of https://jsdoc.app/tags-type and what TypeScript adds to them; one that is not understood is any type.
"""

import re
from typing import Any

_MAX_TYPE = 1000
_MAX_DEPTH = 8

Schema = dict[str, Any]


def schema_of_type(text: str) -> tuple[Schema, bool]:
    """A type's JSON schema, and whether the type says that the parameter is optional (`number=`)."""
    text = text.strip()
    optional = text.endswith("=")
    text = text.removesuffix("=").removeprefix("...")
    return (_schema(text, _MAX_DEPTH) if len(text) <= _MAX_TYPE else {}), optional


_PLAIN: dict[str, Schema] = {
    "number": {"type": "number"},
    "float": {"type": "number"},
    "integer": {"type": "integer"},
    "int": {"type": "integer"},
    "string": {"type": "string"},
    "boolean": {"type": "boolean"},
    "bool": {"type": "boolean"},
    "object": {"type": "object"},
    "array": {"type": "array"},
    "null": {"type": "null"},
    "true": {"const": True},
    "false": {"const": False},
}
_GENERIC = re.compile(r"([A-Za-z]+)\.?<(.*)>", re.DOTALL)
_LITERAL_TEXT = re.compile(r"'([^'\\]*)'|\"([^\"\\]*)\"")
_LITERAL_NUMBER = re.compile(r"-?\d{1,15}(\.\d{1,15})?")
_PROPERTY = re.compile(r"\s*([\w$]+)\s*(\??)\s*:", re.DOTALL)


def _schema(text: str, depth: int) -> Schema:
    """Recursive descent, at most `depth` deep."""
    text = text.strip()
    if depth == 0 or not text:
        return {}
    if len(choices := _split(text, "|")) > 1:
        return _union([_schema(choice, depth - 1) for choice in choices])
    if text.startswith("?") or text.endswith("?"):
        return _union([_schema(text.strip("?"), depth - 1), {"type": "null"}])
    if text.startswith("!"):
        return _schema(text[1:], depth - 1)
    if text.endswith("[]"):
        return _array(_schema(text[:-2], depth - 1))
    if text[0] == "(" and text[-1] == ")":
        return _schema(text[1:-1], depth - 1)
    if text[0] == "{" and text[-1] == "}":
        return _record(text[1:-1], depth - 1)
    if match := _LITERAL_TEXT.fullmatch(text):
        return {"const": match[1] if match[1] is not None else match[2]}
    if match := _LITERAL_NUMBER.fullmatch(text):
        return {"const": float(text) if match[1] else int(text)}
    if match := _GENERIC.fullmatch(text):
        arguments = _split(match[2], ",")
        if match[1].lower() == "array":
            return _array(_schema(arguments[0], depth - 1))
        if match[1].lower() in ("object", "record") and len(arguments) == 2:
            return {"type": "object", "additionalProperties": _schema(arguments[1], depth - 1)}
    return dict(_PLAIN.get(text.lower(), {}))


def _array(items: Schema) -> Schema:
    return {"type": "array", "items": items} if items else {"type": "array"}


def _union(choices: list[Schema]) -> Schema:
    """Any of these; an enum where all of them are single values."""
    if {} in choices:
        return {}
    if all("const" in choice for choice in choices):
        return {"enum": [choice["const"] for choice in choices]}
    return {"anyOf": choices}


def _record(text: str, depth: int) -> Schema:
    """`{name: string, size?: number}`."""
    properties, required = {}, []
    for part in _split(text.replace(";", ","), ","):
        if match := _PROPERTY.match(part):
            properties[match[1]] = _schema(part[match.end() :], depth)
            if not match[2]:
                required.append(match[1])
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _split(text: str, separator: str) -> list[str]:
    """The parts between the separators that stand outside of brackets and quotes."""
    parts, start, depth, quote = [], 0, 0, ""
    for place, character in enumerate(text):
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        elif character in "([{<":
            depth += 1
        elif character in ")]}>":
            depth -= 1
        elif character == separator and depth == 0:
            parts.append(text[start:place])
            start = place + 1
    return [*parts, text[start:]]
