"""Input and output of a text-generation model as JSON schemas, as `…/ai/models/schema` publishes them."""

from typing import Any

from pydantic import TypeAdapter

from fireside.api.schema.json_schema import PublishedSchema, tidied, written_out
from fireside.api.schema.run_input import TextInput
from fireside.api.schema.run_output import RunResult


def _input_schema() -> dict[str, Any]:
    schema = TypeAdapter[TextInput](TextInput).json_schema()
    return {"type": "object", "oneOf": written_out(schema["anyOf"], schema["$defs"])}


def _output_schema() -> dict[str, Any]:
    schema = TypeAdapter(RunResult).json_schema(mode="serialization", schema_generator=PublishedSchema)
    whole = tidied(written_out(schema, schema["$defs"]))
    whole["required"] = ["response"]  # of the hosted service's own
    stream = {"type": "string", "contentType": "text/event-stream", "format": "binary"}
    return {"oneOf": [{"contentType": "application/json", **whole}, stream]}


INPUT_SCHEMA = _input_schema()
OUTPUT_SCHEMA = _output_schema()
