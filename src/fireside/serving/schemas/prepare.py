"""The last steps to a schema for llguidance: closed objects, and what stands between the parts of JSON."""

from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any

from fireside.engine.grammar.faults import unusable
from fireside.engine.grammar.keywords import HELD, Kind, Place, pointer, reference, steps, subschemas
from fireside.errors import BadGrammar
from fireside.serving.schemas.fault import SchemaFault
from fireside.serving.schemas.nodes import Node
from fireside.serving.schemas.normaliser import normalised


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


LAID_OUT = {"whitespace_pattern": r"( |\n {0,20})"}
"""Between the parts of JSON: none, one space, or a new line with its indentation. A weak model that may write as much
of it as it likes sometimes writes nothing else."""

ON_ONE_LINE = {"whitespace_pattern": " "}
"""For JSON that nobody looks at: line breaks and indentation would only be tokens to wait for."""

_HOLDING = {**HELD, "$defs": Kind.NAMED_SCHEMAS}
_COMBINING = ("allOf", "oneOf")
_OBJECT = ("properties", "required", "additionalProperties", "patternProperties")


def prepare(schema: Mapping[str, Any] | bool, title: str, layout: Mapping[str, Any] = LAID_OUT) -> Node:
    """The schema for llguidance's `%json`; every answer that fits it fits `schema`. It is JSON, except for depth.

    Args:
        title: what the schema is, for messages.
        layout: llguidance's options for what stands between the parts.

    Raises BadGrammar.
    """
    try:
        root = normalised(schema)
        if root is False:
            raise SchemaFault((), "no value fits false, or not with {}. Say what the answer may be.")
        made = root if isinstance(root, dict) else {}
        check_endless(made)
        closed = made if _combines(made) else _closed(made)
    except SchemaFault as fault:
        raise BadGrammar(unusable(title, pointer(fault.place), fault.words)) from None
    except RecursionError:
        raise BadGrammar(unusable(title, "", "it is nested too deeply. Take levels out of it.")) from None
    # Also takes the place of a client's own, which could switch checks off.
    return {**closed, "x-guidance": layout}


def _combines(node: Any) -> bool:
    """Whether a value must fit several schemas at once somewhere: then none of them may be made stricter alone."""
    if not isinstance(node, dict):
        return False
    mixed = ("anyOf" in node or "$ref" in node) and any(key in node for key in _OBJECT)
    return mixed or any(key in node for key in _COMBINING) or any(map(_combines, _children(node)))


def _closed(node: Any) -> Any:
    """The same with `additionalProperties` false wherever properties are listed and nothing is said of others."""
    if not isinstance(node, dict):
        return node
    made: Node = {}
    for key, value in node.items():
        match _HOLDING.get(key):
            case Kind.SCHEMA:
                made[key] = _closed(value)
            case Kind.SCHEMAS:
                made[key] = [_closed(child) for child in value]
            case Kind.NAMED_SCHEMAS:
                made[key] = {name: _closed(child) for name, child in value.items()}
            case _:
                made[key] = value
    few = all(node.get(key, 1) <= 1 for key in ("minProperties", "maxProperties"))
    if "properties" in node and few and not any(key in node for key in ("additionalProperties", "patternProperties")):
        # Else a weak model goes on inventing properties until max_tokens.
        made["additionalProperties"] = False
    return made


def _children(node: Any) -> Iterator[Any]:
    if isinstance(node, dict):
        yield from (child for _, child in subschemas(node))
        yield from node.get("$defs", {}).values()
