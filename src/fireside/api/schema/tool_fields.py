"""Tools, calls of tools and forms of an answer, as the hosted service and OpenAI write them."""

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import msgspec
from pydantic import Field, WithJsonSchema, field_validator, model_validator
from pydantic_core import PydanticCustomError

from fireside.api.schema.nullable import NullIsUnset
from fireside.chat import messages
from fireside.errors import InvalidInput
from fireside.serving.types import JsonOutput, NamedTool, RegexOutput, ToolChoice

MAX_TOOLS = 128
MAX_NAME = 128
MAX_PATTERN = 32_768
MAX_DESCRIPTION = 131_072

Name = Annotated[str, Field(min_length=1, max_length=MAX_NAME)]


def _unwrapped(value: object) -> object:
    """What stands inside `{"type": "function", "function": {…}}`, an id beside it with it."""
    if isinstance(value, dict) and isinstance(value.get("function"), dict):
        return {**value["function"], **({"id": value["id"]} if "id" in value else {})}
    return value


class Tool(NullIsUnset):
    """A tool the model may call; also accepted inside `{"type": "function", "function": {…}}`."""

    name: Name
    description: Annotated[str, Field(max_length=MAX_DESCRIPTION)] = ""
    parameters: dict[str, Any] = {}

    @model_validator(mode="before")
    @classmethod
    def _unwrap(cls, value: object) -> object:
        return _unwrapped(value)

    def typed(self) -> messages.Tool:
        """For prompting and serving."""
        return messages.Tool(self.name, self.description, self.parameters)


class EarlierCall(NullIsUnset):
    """A call in an assistant's turn: arguments as an object, or as its JSON text inside OpenAI's `function`."""

    id: Annotated[str, Field(max_length=MAX_DESCRIPTION)] = ""
    name: Name
    arguments: Annotated[str, WithJsonSchema({"anyOf": [{"type": "object"}, {"type": "string"}]})]

    @model_validator(mode="before")
    @classmethod
    def _unwrap(cls, value: object) -> object:
        return _unwrapped(value)

    @field_validator("arguments", mode="before")
    @classmethod
    def _as_text(cls, value: object) -> object:
        if isinstance(value, dict):
            return json.dumps(value, ensure_ascii=False)
        if isinstance(value, str) and _is_object(value or "{}"):
            return value or "{}"
        raise PydanticCustomError("arguments", "should be an object, or the JSON text of one")

    def typed(self) -> messages.ToolCall:
        """For prompting and serving."""
        return messages.ToolCall(self.id, self.name, self.arguments)


class _Chosen(NullIsUnset):
    name: Name


class NamedChoice(NullIsUnset):
    """`{"type": "function", "function": {"name": "…"}}`: the model must call this one."""

    type: Literal["function"]
    function: _Chosen


Choice = Literal["auto", "none", "required"] | NamedChoice


_WRAPPING = {"name", "description", "strict"}
"""What OpenAI has beside the schema itself; no JSON schema has only these."""


class ResponseFormat(NullIsUnset):
    """The form the answer must have. `json_schema` is a JSON schema, or OpenAI's `{name, schema, strict}`."""

    type: Literal["text", "json_object", "json_schema", "regex"]
    json_schema: dict[str, Any] | bool | None = None
    regex: Annotated[str, Field(min_length=1, max_length=MAX_PATTERN)] | None = None

    @model_validator(mode="after")
    def _complete(self) -> "ResponseFormat":
        needed = {"json_schema": self.json_schema, "regex": self.regex}
        if needed.get(self.type, "") is None:
            raise PydanticCustomError("missing", f"{self.type} is required with the type {self.type}")
        if isinstance(self.json_schema, dict) and "name" in self.json_schema.keys() <= _WRAPPING:
            raise PydanticCustomError("missing", "json_schema.schema is required beside json_schema.name")
        return self

    def typed(self) -> JsonOutput | RegexOutput | None:
        """For serving; None is text like any other."""
        if self.type == "text":
            return None
        if self.type == "regex":
            return RegexOutput(self.regex or "")
        return JsonOutput(_inner_schema(self.json_schema))


GuidedJson = Annotated[
    dict[str, Any],
    Field(description="vLLM's name for response_format: the answer fits this JSON schema; {} is any object."),
]


def structured_output(
    response_format: ResponseFormat | None, guided_json: dict[str, Any] | None
) -> JsonOutput | RegexOutput | None:
    """The form that either of the two asks for. Raises InvalidInput for both at once."""
    if guided_json is None:
        return response_format.typed() if response_format else None
    if response_format is not None:
        raise InvalidInput(["guided_json: not with response_format; leave one out"])
    return JsonOutput(guided_json or None)


def tool_choice(choice: Choice | None, names: Sequence[str]) -> ToolChoice:
    """The checked choice among what may be called. Raises InvalidInput when the two do not go together."""
    if twice := {name for name in names if names.count(name) > 1}:
        raise InvalidInput([f"tools: two have the name {min(twice)!r}"])
    if isinstance(choice, NamedChoice):
        if choice.function.name not in names:
            raise InvalidInput([f"tool_choice: tools has no {choice.function.name!r}"])
        return NamedTool(choice.function.name)
    if choice == "required" and not names:
        raise InvalidInput(["tool_choice: there are no tools to call"])
    return choice or "auto"


def _is_object(text: str) -> bool:
    try:
        return isinstance(msgspec.json.decode(text), dict)
    except (msgspec.DecodeError, RecursionError):
        return False


def _inner_schema(given: dict[str, Any] | bool | None) -> Mapping[str, Any] | bool | None:
    if isinstance(given, dict) and isinstance(given.get("schema"), dict | bool):
        # No JSON schema has a keyword "schema": this is OpenAI's wrapping.
        return given["schema"]  # type: ignore[no-any-return]
    return given
