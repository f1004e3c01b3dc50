"""JSON schemas of input and output, generated from the models that check requests."""

from typing import Any

from pydantic import TypeAdapter

from fireside.api.schema.run_input import TextInput

_NULL = {"type": "null"}
_DROPPED = ("title", "$defs")


def _plain(node: Any, definitions: dict[str, Any]) -> Any:
    """The schema with references written out, and without titles and nulls: the form that clients know."""
    if isinstance(node, list):
        return [_plain(item, definitions) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        name = node["$ref"].rpartition("/")[2]
        rest = {key: value for key, value in node.items() if key != "$ref"}
        return _plain({**definitions[name], **rest}, definitions)
    if _NULL in node.get("anyOf", ()):
        choices = [choice for choice in node["anyOf"] if choice != _NULL]
        rest = {key: value for key, value in node.items() if key != "anyOf"}
        inner = choices[0] if len(choices) == 1 else {"anyOf": choices}
        return _plain({**inner, **rest}, definitions)
    return {
        key: {name: _plain(child, definitions) for name, child in value.items()}
        if key == "properties"
        else _plain(value, definitions)
        for key, value in node.items()
        if key not in _DROPPED and (key, value) != ("default", None)
    }


def _input_schema() -> dict[str, Any]:
    schema = TypeAdapter[TextInput](TextInput).json_schema()
    return {"type": "object", "oneOf": _plain(schema["anyOf"], schema["$defs"])}


_USAGE = {"type": "integer", "minimum": 0}

INPUT_SCHEMA: dict[str, Any] = _input_schema()
OUTPUT_SCHEMA: dict[str, Any] = {
    "oneOf": [
        {
            "type": "object",
            "contentType": "application/json",
            "properties": {
                "response": {"type": ["string", "null", "object"]},
                "tool_calls": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "properties": {"name": {"type": "string"}, "arguments": {"type": "object"}},
                        "required": ["name", "arguments"],
                    },
                },
                "function_calls": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "properties": {
                            "name": {"type": "string"},
                            "arguments": {"type": "object"},
                            "result": {},
                            "error": {"type": "string"},
                            "milliseconds": {"type": "integer", "minimum": 0},
                        },
                        "required": ["name", "arguments", "milliseconds"],
                    },
                },
                "usage": {
                    "type": "object",
                    "properties": dict.fromkeys(("prompt_tokens", "completion_tokens", "total_tokens"), _USAGE),
                },
            },
            "required": ["response"],
        },
        {"type": "string", "contentType": "text/event-stream", "format": "binary"},
    ]
}
