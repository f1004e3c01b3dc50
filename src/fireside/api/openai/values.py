"""Values that have more than one form: prompts, stop texts, and what names tokens."""

from typing import Annotated, cast

from pydantic import BeforeValidator, Field, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from fireside.api.schema.run_input import MAX_TEXT
from fireside.api.schema.sampling_fields import WHOLE, whole

MAX_CHOICES = 128
"""Answers to one request, over all its prompts: as many as OpenAI's n allows."""

MAX_IDS = 1024
"""Entries of a list or map of token ids."""

_MAX_ID = 2**31 - 1
_TEXT = {"type": "string", "minLength": 1, "maxLength": MAX_TEXT}
_IDS = {"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": _MAX_ID}, "minItems": 1}

OnePrompt = str | tuple[int, ...]
"""A text, or the ids of tokens."""


def _prompts(given: object) -> tuple[OnePrompt, ...]:
    several = isinstance(given, list) and bool(given) and not isinstance(given[0], int | float)
    prompts = given if several and isinstance(given, list) else [given]
    if len(prompts) > MAX_CHOICES:
        raise PydanticCustomError("prompts", "should be at most {most} prompts", {"most": MAX_CHOICES})
    return tuple(_prompt(prompt) for prompt in prompts)


def _prompt(given: object) -> OnePrompt:
    if isinstance(given, str):
        if not 1 <= len(given) <= MAX_TEXT:
            raise PydanticCustomError("prompt_length", "each should have 1 to {most} characters", {"most": MAX_TEXT})
        return given
    if isinstance(given, list):
        if not given:
            raise PydanticCustomError("prompt_empty", "each should have at least one token")
        ids = tuple(whole(token) for token in given)
        # type(True) is not an int, which isinstance would take it for.
        if all(type(token) is int and 0 <= token <= _MAX_ID for token in ids):
            return cast("tuple[int, ...]", ids)
    raise PydanticCustomError("prompt", "should be a text, a list of token ids, or a list of either")


Prompts = Annotated[
    tuple[OnePrompt, ...],
    PlainValidator(_prompts),
    WithJsonSchema(
        {
            "anyOf": [
                _TEXT,
                _IDS,
                {"type": "array", "items": _TEXT, "minItems": 1, "maxItems": MAX_CHOICES},
                {"type": "array", "items": _IDS, "minItems": 1, "maxItems": MAX_CHOICES},
            ]
        }
    ),
    Field(description="Sent to the model unchanged, special tokens included."),
]


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


_STOP_TEXT = {"type": "string", "minLength": 1, "maxLength": 1000}
StopTexts = Annotated[
    list[Annotated[str, Field(min_length=1, max_length=1000)]],
    Field(max_length=16),
    BeforeValidator(_as_list),
    WithJsonSchema({"anyOf": [_STOP_TEXT, {"type": "array", "items": _STOP_TEXT, "minItems": 0, "maxItems": 16}]}),
]
TokenIds = Annotated[list[Annotated[int, Field(ge=0, le=_MAX_ID), WHOLE]], Field(max_length=MAX_IDS, fail_fast=True)]


def _biases(value: object) -> object:
    """By token id, which JSON can only write as text."""
    if not isinstance(value, dict) or len(value) > MAX_IDS:
        raise PydanticCustomError("biases", "should be a map with at most {most} token ids", {"most": MAX_IDS})
    if not all(
        key.isascii() and key.isdecimal() and len(key) <= 10 and type(bias) in (int, float) and -100 <= bias <= 100
        for key, bias in value.items()
    ):
        raise PydanticCustomError("bias", "should map token ids to numbers from -100 to 100")
    return {int(key): float(bias) for key, bias in value.items()}


_BIAS = {"type": "number", "minimum": -100, "maximum": 100}
LogitBias = Annotated[
    dict[int, float],
    BeforeValidator(_biases),
    WithJsonSchema(
        {
            "type": "object",
            "propertyNames": {"pattern": "^[0-9]{1,10}$"},
            "additionalProperties": _BIAS,
            "maxProperties": MAX_IDS,
        }
    ),
]
