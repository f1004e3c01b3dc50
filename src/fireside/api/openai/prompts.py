"""What completions take for a prompt: a text, several, or the ids of their tokens."""

from typing import Annotated

from pydantic import Field, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from fireside.api.inputs import MAX_TEXT

MOST_CHOICES = 128
"""Answers to one request, over all its prompts: as many as OpenAI's n allows."""

_LARGEST_ID = 2**31 - 1
_TEXT = {"type": "string", "minLength": 1, "maxLength": MAX_TEXT}
_IDS = {"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": _LARGEST_ID}, "minItems": 1}

OnePrompt = str | tuple[int, ...]
"""A text, or the ids of tokens."""


def _prompts(given: object) -> tuple[OnePrompt, ...]:
    several = isinstance(given, list) and bool(given) and not isinstance(given[0], int)
    prompts = given if several and isinstance(given, list) else [given]
    if len(prompts) > MOST_CHOICES:
        raise PydanticCustomError("prompts", "should be at most {most} prompts", {"most": MOST_CHOICES})
    return tuple(_prompt(prompt) for prompt in prompts)


def _prompt(given: object) -> OnePrompt:
    if isinstance(given, str):
        if not 1 <= len(given) <= MAX_TEXT:
            raise PydanticCustomError("prompt_length", "each should have 1 to {most} characters", {"most": MAX_TEXT})
        return given
    if isinstance(given, list):
        if not given:
            raise PydanticCustomError("prompt_empty", "each should have at least one token")
        # type(True) is no int, which isinstance would take it for.
        if all(type(token) is int and 0 <= token <= _LARGEST_ID for token in given):
            return tuple(given)
    raise PydanticCustomError("prompt", "should be a text, a list of token ids, or a list of either")


Prompts = Annotated[
    tuple[OnePrompt, ...],
    PlainValidator(_prompts),
    WithJsonSchema(
        {
            "anyOf": [
                _TEXT,
                _IDS,
                {"type": "array", "items": _TEXT, "minItems": 1, "maxItems": MOST_CHOICES},
                {"type": "array", "items": _IDS, "minItems": 1, "maxItems": MOST_CHOICES},
            ]
        }
    ),
    Field(description="Goes to the model as it is, special tokens and all."),
]
