"""Functions as tools: the schema that a function's code gives, and how a call's arguments reach its parameters.

A parameter gets its type from JSDoc, else from its default value, else it is anything. `@schema` in the same comment
holds a JSON schema that goes on top: its keywords replace those found, and its properties are merged name by name.
"""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from fireside.chat.messages import Tool
from fireside.functions.jsdoc import Schema, schema_of_type
from fireside.functions.signature import Param, Parameter, Signature

MAX_FUNCTIONS = 32
MAX_CODE = 32_768
"""Most characters of one function's code."""

MAX_TOTAL_CODE = 4 * MAX_CODE
"""Most characters of all functions' code together: reading it takes time."""

NAME = re.compile(r"[A-Za-z0-9_$-]{1,64}")
"""A function's name."""

_PARAM_NAME = re.compile(r"[\w$]{1,128}(?:\.[\w$]{1,128}){0,4}")


class CodeError(ValueError):
    """The code is not a function whose parameters can be told; `str(error)` says why."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a comment says of a parameter, or of a property: `options.size`. `schema` includes its description."""

    name: str
    schema: Schema
    optional: bool


@dataclass(frozen=True, slots=True)
class Function:
    """A function that the model may call.

    Args:
        name: as the request gives it.
        code: JavaScript.
        tool: what the model is told of it.
        parameters: names in order; None where the whole object of arguments goes.
        rest: whether the last parameter takes all that is left.
    """

    name: str
    code: str
    tool: Tool
    parameters: tuple[str | None, ...]
    rest: bool = False

    def arguments(self, given: object) -> tuple[str | None, ...]:
        """One JSON text per parameter, for a call with these named arguments; None for one that is missing.

        Raises TypeError when they are no dictionary.
        """
        if not isinstance(given, dict):
            raise TypeError("arguments have names")
        values: list[Any] = [given if name is None else given.get(name, _MISSING) for name in self.parameters]
        if self.rest:
            last = values.pop()
            values += last if isinstance(last, list) else [] if last is _MISSING else [last]
        while values and values[-1] is _MISSING:
            values.pop()
        return tuple(None if value is _MISSING else json.dumps(value) for value in values)


_MISSING = object()


def function_of(name: str, code: str, signature: Signature) -> Function:
    """One function. Raises CodeError when what follows `@schema` is not understood."""
    told = _told(signature.doc.params)
    override = _override(signature.doc.schema)
    parameters = _all_named(signature.parameters, told)
    names: tuple[str | None, ...] = tuple(parameter.name for parameter in parameters)
    rest = bool(parameters) and parameters[-1].kind == "rest"
    first = parameters[0] if len(parameters) == 1 else None
    if first and first.kind == "plain" and "properties" in override and first.name not in override["properties"]:
        # `@schema` describes the one object that the function takes.
        schema, names = {"type": "object", **override}, (None,)
    elif first and first.fields is not None:
        # The properties of the one object pattern are the function's arguments.
        schema, names = _merged(_pattern(first.fields, [*_below(told, first.name), *told]), override), (None,)
    else:
        schema = _merged(_object(parameters, told), override)
    return Function(name, code, Tool(name, signature.doc.description, schema), names, rest)


def _told(params: Iterable[Param]) -> list[Told]:
    """What the tags say that have a sound name."""
    told = []
    for param in params:
        if _PARAM_NAME.fullmatch(param.name):
            schema, optional = schema_of_type(param.type)
            if param.description:
                schema = {**schema, "description": param.description}
            told.append(Told(param.name, schema, optional or param.optional))
    return told


def _override(text: str) -> dict[str, Any]:
    """The JSON object after `@schema`, or an empty one."""
    if not text:
        return {}
    try:
        value, _ = json.JSONDecoder(parse_constant=_refuse).raw_decode(text)
    except (ValueError, RecursionError) as error:
        raise CodeError(f"what follows @schema is not JSON: {error}") from None
    if not isinstance(value, dict) or not isinstance(value.get("properties", {}), dict):
        raise CodeError("what follows @schema should be a JSON object, and so should its properties")
    return value


def _refuse(constant: str) -> object:
    raise ValueError(f"{constant} is not JSON")


def _merged(schema: Schema, override: Schema) -> Schema:
    """The schema with the other's keywords in place of its own, and properties merged name by name."""
    properties = dict(schema["properties"])
    for name, value in override.get("properties", {}).items():
        properties[name] = {**properties.get(name, {}), **value} if isinstance(value, dict) else value
    return {**schema, **override, "properties": properties}


def _all_named(parameters: Sequence[Parameter], params: Sequence[Told]) -> list[Parameter]:
    """The parameters, each with a name: patterns have that of the `@param` in their place, or a number."""
    taken = {parameter.name for parameter in parameters}
    spare = [param.name for param in params if "." not in param.name]
    named = []
    for place, parameter in enumerate(parameters):
        if not parameter.name:
            told = spare[place] if place < len(spare) and spare[place] not in taken else f"argument{place + 1}"
            parameter = msgspec.structs.replace(parameter, name=told)
        named.append(parameter)
    return named


def _below(params: Iterable[Told], name: str) -> list[Told]:
    """What is said of the properties of `name`."""
    start = f"{name}."
    return [replace(param, name=param.name[len(start) :]) for param in params if param.name.startswith(start)]


def _object(parameters: Sequence[Parameter], params: Sequence[Told]) -> Schema:
    """The schema of an object whose properties are these parameters, of which JSDoc says that."""
    told = {param.name: param for param in params}
    properties = {p.name: _value(p, told.get(p.name), _below(params, p.name)) for p in parameters}
    optional = {p.name for p in parameters if p.default is not None or p.kind == "rest"}
    optional |= {param.name for param in params if param.optional}
    return {
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name not in optional],
        "additionalProperties": False,
    }


def _value(parameter: Parameter, param: Told | None, below: Sequence[Told]) -> Schema:
    """The schema of one parameter or property."""
    told = param.schema if param else {}
    if parameter.kind == "rest" and told.get("type") != "array":
        items = {key: value for key, value in told.items() if key != "description"}
        told = {"type": "array", "items": items} | {key: told[key] for key in told if key == "description"}
    if parameter.fields is not None:
        return {**_pattern(parameter.fields, below), **_described(told)}
    if parameter.kind == "pattern" and not told.get("type"):
        return {"type": "array", **told}
    if below:
        fields = tuple(Parameter(name) for name in dict.fromkeys(param.name.partition(".")[0] for param in below))
        return {**_object(fields, below), **_described(told)}
    default = parameter.default or {}
    if told.keys() - {"description"}:  # a type that somebody wrote, rather than the default value's
        default = {"default": default["default"]} if "default" in default else {}
    return {**default, **told}


def _pattern(fields: Sequence[Parameter], params: Sequence[Told]) -> Schema:
    """The schema of an object pattern: `...rest` in it takes any other properties."""
    schema = _object([field for field in fields if field.kind != "rest"], params)
    if any(field.kind == "rest" for field in fields):
        schema["additionalProperties"] = True
    return schema


def _described(schema: Schema) -> Schema:
    return {"description": schema["description"]} if "description" in schema else {}
