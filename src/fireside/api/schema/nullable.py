"""Fields that may be null: the same as not given."""

from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator

_NULL = {"type": "null"}


def _say_so(schema: dict[str, Any]) -> None:
    """Say in a model's schema what its reader does: a field that need not be given may be null just as well."""
    required = schema.get("required", ())
    for name, field in schema["properties"].items():
        if name not in required and _NULL not in field.get("anyOf", ()):
            about = {key: field.pop(key) for key in ("default", "description") if key in field}
            choices = field["anyOf"] if set(field) == {"anyOf"} else [dict(field)]
            schema["properties"][name] = {"anyOf": [*choices, _NULL], **about}


class NullIsUnset(BaseModel):
    """Checks a JSON object strictly; a field that is null counts as not given."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore", json_schema_extra=_say_so)

    @model_validator(mode="before")
    @classmethod
    def _null_is_unset(cls, value: object) -> object:
        if not isinstance(value, dict):
            return value
        return {name: given for name, given in value.items() if given is not None}
