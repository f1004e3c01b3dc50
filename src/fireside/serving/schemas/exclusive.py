"""`oneOf`: schemas of which exactly one fits."""

from collections.abc import Mapping
from typing import Any

from fireside.serving.schemas.nodes import Node, Resolve


def exclusive_as_any(node: Node, resolve: Resolve) -> None:
    """Say a `oneOf` as an `anyOf`, where no value can fit two of its schemas.

    Objects that a property of different constants tells apart exclude each other. llguidance sees that, too, but not
    through a `$ref`, which is where pydantic's tagged unions have it.
    """
    given = node.get("oneOf")
    if not isinstance(given, list) or not given or "anyOf" in node:
        return
    options = [resolve(option) for option in given]
    objects = [option for option in options if isinstance(option, Mapping) and option.get("type") == "object"]
    others = [option for option in options if not (isinstance(option, Mapping) and option.get("type") == "object")]
    if len(others) > 1 or not all(
        isinstance(other, Mapping) and isinstance(other.get("type"), str) and other["type"] != "object"
        for other in others
    ):
        return
    discriminator = node.get("discriminator")
    tag = str(discriminator.get("propertyName", "")) if isinstance(discriminator, Mapping) else ""
    candidates = [tag] if tag else [name for schema in objects[:2] for name in _required_of(schema)]
    if len(given) > 1 and not any(_tells_apart(name, objects, resolve, tagged=name == tag) for name in candidates):
        return
    if tag and len(given) > 1:  # required by OpenAPI, though not always said
        given = [_requiring(tag, one, option) for one, option in zip(given, options, strict=True)]
    # In its place: the order of keywords decides on the order of properties.
    renamed = {
        ("anyOf" if key == "oneOf" else key): (given if key == "oneOf" else value) for key, value in node.items()
    }
    node.clear()
    node.update(renamed)


def _tells_apart(name: str, objects: list[Mapping[str, Any]], resolve: Resolve, *, tagged: bool) -> bool:
    """Whether a property has different texts in each of these schemas, and two of them never lack it."""
    seen: set[str] = set()
    for schema in objects:
        properties = schema.get("properties")
        child = resolve(properties.get(name)) if isinstance(properties, Mapping) else None
        if not isinstance(child, Mapping):
            return False
        values = [child["const"]] if "const" in child else child.get("enum")
        if (
            not isinstance(values, list)
            or not all(isinstance(value, str) for value in values)
            or not seen.isdisjoint(values)
        ):
            return False
        seen.update(values)
    return tagged or sum(name not in _required_of(schema) for schema in objects) <= 1


def _required_of(schema: Mapping[str, Any]) -> list[str]:
    required = schema.get("required")
    return [name for name in required if isinstance(name, str)] if isinstance(required, list) else []


def _requiring(tag: str, given: Any, option: Any) -> Any:
    if not isinstance(option, Mapping) or option.get("type") != "object" or tag in _required_of(option):
        return given
    return {**given, "required": [*_required_of(given), tag]}
