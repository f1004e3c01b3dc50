"""What one schema says, in the words of 2020-12 that llguidance holds answers to. Each rule looks at a keyword or two.

A rule leaves out what constrains nothing, or says the same in other words, or says something stricter, so that whatever
fits then fits the client's schema. What is left over in `UNSUPPORTED` is refused.

Sources: JSON Schema drafts 4, 6, 7, 2019-09 and 2020-12; OpenAPI 3.0 for nullable and discriminator.
"""

import re
from collections.abc import Mapping
from typing import Any

from fireside.engine.grammar.keywords import HELD, Kind, Place
from fireside.serving.schemas.exclusive import exclusive_as_any
from fireside.serving.schemas.fault import SchemaFault, shown
from fireside.serving.schemas.nodes import Node, Resolve

FORMATS = frozenset(("date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid", "uri"))
"""Formats that are held to; any other one is a comment, as JSON Schema has it."""

BEYOND = 2**31 - 1
"""No answer has so many items, properties or characters."""

FARTHEST = 10**18
"""Bounds of numbers that llguidance can still work out."""

_CASES = "Say it as an anyOf, with a schema for each case."
UNSUPPORTED = {
    "not": "Say what the value may be instead, with enum, type or pattern.",
    "if": _CASES,
    "then": _CASES,
    "else": _CASES,
    "contains": "Put the item that must be there first, with prefixItems, or describe all of them, with items.",
    "uniqueItems": "Leave it out, and drop repeated items from the answer.",
    "propertyNames": "It can be enum or const, or where no properties are listed a pattern, or minLength and "
    "maxLength. Else list the names in properties.",
    "dependencies": _CASES,
    "dependentRequired": _CASES,
    "dependentSchemas": _CASES,
    "unevaluatedProperties": "Beside allOf, anyOf, oneOf or $ref, say additionalProperties in each of those schemas.",
    "unevaluatedItems": "Beside allOf, anyOf, oneOf or $ref, say items in each of those schemas.",
    "$dynamicRef": "Use $ref.",
    "$recursiveRef": "Use $ref.",
}
"""Keywords that constrain an answer which cannot be held to them, and what to do instead."""

_ELSEWHERE = (
    "allOf",
    "anyOf",
    "oneOf",
    "$ref",
    "if",
    "dependentSchemas",
    "not",
    "contains",
    "$dynamicRef",
    "$recursiveRef",
)
"""Keywords that may say something of properties and items, too."""

_MAY_BE_NULL = ("const", "default", "type")


def modern(given: Mapping[str, Any], place: Place, resolve: Resolve, *, single: bool) -> Node:
    """The same schema with fewer and newer keywords, or a stricter one; its parts are left as they are.

    Args:
        resolve: see `Resolve`.
        single: whether dynamic references are plain ones.

    Raises SchemaFault.
    """
    # Clients that write all fields of an object write null for those that are not set.
    node = {key: value for key, value in given.items() if value is not None or key in _MAY_BE_NULL}
    _references(node, single)
    _required(node)
    _nullable(node)
    _tuples(node, place)
    _bounds(node, place)
    _dependencies(node)
    _conditions(node)
    _unevaluated(node)
    _names_of_properties(node, resolve)
    exclusive_as_any(node, resolve)
    _idle(node)
    return node


def says_nothing(schema: Any) -> bool:
    """Whether anything fits a schema, as far as can be seen from outside."""
    return schema is True or (
        isinstance(schema, Mapping) and not any(key in HELD or key in UNSUPPORTED for key in schema)
    )


def _references(node: Node, single: bool) -> None:
    for dynamic in ("$dynamicRef", "$recursiveRef"):
        if single and dynamic in node and "$ref" not in node:
            node["$ref"] = node.pop(dynamic)


def _required(node: Node) -> None:
    """Draft 3 has it at the property, where tools' parameters still have it now and then."""
    if isinstance(node.get("required"), bool):
        del node["required"]
    properties, required = node.get("properties"), node.get("required", [])
    if isinstance(properties, Mapping) and isinstance(required, list):
        named = set(filter(_is_text, required))
        own = [
            name
            for name, child in properties.items()
            if isinstance(child, Mapping) and child.get("required") is True and name not in named
        ]
        if own:
            node["required"] = [*required, *own]


def _nullable(node: Node) -> None:
    kind = node.get("type")
    if node.pop("nullable", None) is True and isinstance(kind, str | list):
        kinds = [kind] if isinstance(kind, str) else kind
        node["type"] = kinds if "null" in kinds else [*kinds, "null"]


def _tuples(node: Node, place: Place) -> None:
    """Before 2020-12 a list of `items` was what `prefixItems` is now, and `additionalItems` what `items` is."""
    rest = node.pop("additionalItems", None)
    if isinstance(node.get("items"), list):
        if "prefixItems" in node:
            raise SchemaFault(
                (*place, "items"), "a list of schemas cannot stand beside prefixItems. Leave one of them out."
            )
        node["prefixItems"] = node.pop("items")
        if rest is not None:
            node["items"] = rest


def _bounds(node: Node, place: Place) -> None:
    for bound in ("minimum", "maximum"):
        exclusive = f"exclusive{bound.capitalize()}"
        if isinstance(node.get(exclusive), bool) and node.pop(exclusive) and bound in node:  # draft 4
            node[exclusive] = node.pop(bound)
        for keyword in (bound, exclusive):
            value, sign = node.get(keyword), -1 if bound == "minimum" else 1
            if not isinstance(value, int | float) or isinstance(value, bool):
                continue
            if sign * value <= -FARTHEST:
                raise SchemaFault((*place, keyword), f"{shown(value)} is too far from 0: bounds end before {FARTHEST}.")
            if sign * value > FARTHEST:
                node[keyword] = sign * FARTHEST
    for keyword, kind in HELD.items():
        value = node.get(keyword)
        if kind is Kind.COUNT and isinstance(value, float) and value.is_integer():
            value = node[keyword] = int(value)
        if kind is Kind.COUNT and isinstance(value, int) and value > BEYOND:
            if keyword.startswith("min"):
                raise SchemaFault((*place, keyword), f"{shown(value)} is more than any answer has.")
            del node[keyword]


def _dependencies(node: Node) -> None:
    """What is required anyway depends on nothing."""
    required = node.get("required")
    there = set(filter(_is_text, required)) if isinstance(required, list) else set()
    for keyword in ("dependencies", "dependentRequired", "dependentSchemas"):
        if isinstance(given := node.get(keyword), Mapping):
            node[keyword] = {name: needs for name, needs in given.items() if not _is_met(needs, there)}
            if not node[keyword]:
                del node[keyword]


def _is_met(needs: Any, there: set[str]) -> bool:
    return all(_is_text(need) and need in there for need in needs) if isinstance(needs, list) else says_nothing(needs)


def _conditions(node: Node) -> None:
    for branch in ("then", "else"):
        if "if" not in node or says_nothing(node.get(branch)):
            node.pop(branch, None)
    if "then" not in node and "else" not in node:
        node.pop("if", None)
    if "contains" not in node or (node.get("minContains") == 0 and "maxContains" not in node):
        node.pop("contains", None)
    for limit in ("minContains", "maxContains"):
        node.pop(limit, None)
    if node.get("not") is False:
        del node["not"]


def _unevaluated(node: Node) -> None:
    """Where no other schema has a say, unevaluated properties are the additional ones."""
    for keyword, plain in (("unevaluatedProperties", "additionalProperties"), ("unevaluatedItems", "items")):
        if keyword not in node:
            continue
        if plain in node or says_nothing(node[keyword]):
            del node[keyword]
        elif not any(other in node for other in _ELSEWHERE):
            node[plain] = node.pop(keyword)


def _names_of_properties(node: Node, resolve: Resolve) -> None:
    if "propertyNames" not in node:
        return
    names = resolve(node["propertyNames"])
    if not isinstance(names, Mapping):
        names = {"not": {}} if names is False else {}
    said = {key: value for key, value in names.items() if key in HELD or key in UNSUPPORTED}
    kinds = said.pop("type", "string")
    if "string" not in (kinds if isinstance(kinds, list) else [kinds]):
        return
    _idle(said)
    others, listed = node.get("additionalProperties", True), node.get("properties", {})
    values = said["enum"] if said.keys() == {"enum"} else [said["const"]] if said.keys() == {"const"} else None
    if not said:
        del node["propertyNames"]
    elif not isinstance(listed, Mapping) or "patternProperties" in node:
        return
    elif isinstance(values, list):
        wanted = dict.fromkeys(value for value in values if _is_text(value))  # in order, and quick to look up
        more = {name: others for name in wanted if name not in listed}
        node["properties"] = {name: child if name in wanted else False for name, child in listed.items()} | more
        node["additionalProperties"] = False
        del node["propertyNames"]
    elif not listed and (pattern := _pattern_of(said)) is not None:
        node["patternProperties"] = {pattern: others}
        node["additionalProperties"] = False
        del node["propertyNames"]


def _pattern_of(said: Node) -> str | None:
    """A pattern for texts of this schema, where one keyword or a pair of lengths is all that it says."""
    if said.keys() == {"pattern"} and _is_text(said["pattern"]):
        return str(said["pattern"])
    least, most = said.get("minLength", 0), said.get("maxLength", "")
    if said.keys() <= {"minLength", "maxLength"} and re.fullmatch(r"\d+,\d*", f"{least},{most}"):
        return rf"^(.|\n){{{least},{most}}}$"
    return None


def _idle(node: Node) -> None:
    """Leave out what constrains nothing."""
    for keyword in [key for key, value in node.items() if _is_idle(key, value, node)]:
        del node[keyword]


def _is_idle(keyword: str, value: Any, node: Node) -> bool:
    match keyword:
        case "minLength" | "minItems" | "minProperties":
            return isinstance(value, int) and not isinstance(value, bool) and value == 0
        case "uniqueItems":
            most = node.get("maxItems")
            return value is False or (isinstance(most, int) and most <= 1)
        case "format":
            return _is_text(value) and value not in FORMATS
        case "allOf" | "required" | "prefixItems":
            return bool(value == [])
        case "patternProperties":
            return bool(value == {})
        case "items":
            return says_nothing(value)
        case "pattern":
            return bool(value == "")
        case _:
            return False


def _is_text(value: Any) -> bool:
    return isinstance(value, str)
