"""Schemas that lead back to themselves before any answer is complete: a node that must hold a node, for one."""

from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from typing import Any

from fireside.engine.grammar.keywords import Place, reference, steps
from fireside.serving.schemas.fault import SchemaFault
from fireside.serving.schemas.nodes import Node


def check_endless(root: Node) -> None:
    """Raises SchemaFault where a schema cannot but hold itself. Takes what `normalised` gives."""
    places: dict[str, Place] = {"#": ()}
    graph = {"#": set(_musts(root))}
    for name, schema in root.get("$defs", {}).items():
        places[reference(name)] = steps(name)
        graph[reference(name)] = set(_musts(schema))
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        raise SchemaFault(
            places[error.args[1][0]],
            "it always holds itself again, so that no answer ends. Let an anyOf, an optional property or an empty list "
            "end it.",
        ) from None


def _musts(schema: Any) -> Iterator[str]:
    """References that every value which fits the schema leads to."""
    if not isinstance(schema, dict):
        return
    if "$ref" in schema:
        yield schema["$ref"]
    for child in schema.get("allOf", ()):
        yield from _musts(child)
    for keyword in ("anyOf", "oneOf"):
        if len(schema.get(keyword, ())) == 1:
            yield from _musts(schema[keyword][0])
    if schema.get("type") == "object":
        for name in schema.get("required", ()):
            yield from _musts(schema.get("properties", {}).get(name))
    if schema.get("type") == "array" and (least := schema.get("minItems", 0)):
        tuple_part = schema.get("prefixItems", [])
        for child in tuple_part[:least]:
            yield from _musts(child)
        if least > len(tuple_part):
            yield from _musts(schema.get("items"))
