"""JSON schemas of the API's types, all made by pydantic: of the models that check requests (mode "validation"), and of
the dataclasses that answers are made of (mode "serialization")."""

from typing import Any

from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import core_schema

from fireside.api.unset import UNSET

_NULL = {"type": "null"}
_DROPPED = ("title", "$defs")


class PublishedSchema(GenerateJsonSchema):
    """An answer has all its fields, with defaults or without, except for those that may be `Unset`."""

    def field_is_required(
        self,
        field: core_schema.ModelField | core_schema.DataclassField | core_schema.TypedDictField,
        total: bool,
    ) -> bool:
        """Whether readers may rely on it, or writers must give it."""
        schema = field["schema"]
        return schema["type"] != "default" or (self.mode == "serialization" and schema.get("default") is not UNSET)

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> dict[str, Any]:
        """What is not given counts as this; there is nothing of the kind in an answer."""
        return self.generate_inner(schema["schema"]) if self.mode == "serialization" else super().default_schema(schema)

    def field_title_should_be_set(self, schema: Any) -> bool:
        """Never: the names say it."""
        return False


def written_out(node: Any, definitions: dict[str, Any]) -> Any:
    """The schema with references written out, and without titles, and nulls that count as not given: as clients of the
    hosted service know it."""
    if isinstance(node, list):
        return [written_out(item, definitions) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        name = node["$ref"].rpartition("/")[2]
        rest = {key: value for key, value in node.items() if key != "$ref"}
        return written_out({**definitions[name], **rest}, definitions)
    if _NULL in node.get("anyOf", ()):
        choices = [choice for choice in node["anyOf"] if choice != _NULL]
        rest = {key: value for key, value in node.items() if key != "anyOf"}
        inner = choices[0] if len(choices) == 1 else {"anyOf": choices}
        return written_out({**inner, **rest}, definitions)
    return {
        key: {name: written_out(child, definitions) for name, child in value.items()}
        if key == "properties"
        else written_out(value, definitions)
        for key, value in node.items()
        if key not in _DROPPED and (key, value) != ("default", None)
    }


def tidied(node: Any) -> Any:
    """The schema without generated titles, and of docstrings only what is for readers of the document."""
    if isinstance(node, list):
        return [tidied(item) for item in node]
    if not isinstance(node, dict):
        return node
    tidy = {key: tidied(value) for key, value in node.items() if not (key == "title" and isinstance(value, str))}
    if isinstance(about := tidy.get("description"), str):
        tidy["description"] = " ".join(about.partition("Args:")[0].split())
    return tidy
