"""What an answer is held to: OpenAI's response_format, vLLM's structured_outputs and older guided_ fields."""

from typing import Annotated, Any

import msgspec
from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from fireside.api.schema.nullable import NullIsUnset
from fireside.api.schema.run_input import NOT_TOO_MANY
from fireside.api.schema.tool_fields import MAX_DESCRIPTION, MAX_PATTERN, ResponseFormat
from fireside.errors import InvalidInput
from fireside.serving.types import ChoiceOutput, GrammarOutput, JsonOutput, RegexOutput, StructuredOutput

_MAX_CHOICE = 1000


def _read_schema(value: object) -> object:
    """A schema may be given as its JSON text, too."""
    if not isinstance(value, str):
        return value
    try:
        return msgspec.json.decode(value)
    except (msgspec.DecodeError, RecursionError):
        raise PydanticCustomError("schema_text", "should be a JSON schema, or the JSON text of one") from None


Schema = Annotated[
    dict[str, Any], BeforeValidator(_read_schema), WithJsonSchema({"anyOf": [{"type": "object"}, {"type": "string"}]})
]
Pattern = Annotated[str, Field(min_length=1, max_length=MAX_PATTERN)]
Texts = Annotated[
    list[Annotated[str, Field(min_length=1, max_length=_MAX_CHOICE)]],
    Field(min_length=1, fail_fast=True),
    NOT_TOO_MANY,
]
Grammar = Annotated[str, Field(min_length=1, max_length=MAX_DESCRIPTION)]

_NOT_OFFERED = ("structural_tag", "whitespace_pattern", "disable_any_whitespace", "disable_additional_properties")


class StructuredOutputs(NullIsUnset):
    """What an answer is held to. `grammar` is in llguidance's dialect of Lark."""

    json_schema: Annotated[Schema | None, Field(alias="json")] = None
    json_object: bool = False
    regex: Pattern | None = None
    choice: Texts | None = None
    grammar: Grammar | None = None

    @model_validator(mode="before")
    @classmethod
    def _is_offered(cls, value: object) -> object:
        for name in _NOT_OFFERED if isinstance(value, dict) else ():
            if value.get(name):  # type: ignore[attr-defined]
                raise PydanticCustomError("not_offered", "{name} is not offered: leave it out", {"name": name})
        return value

    @model_validator(mode="after")
    def _is_one(self) -> "StructuredOutputs":
        if len(self._outputs()) != 1:
            raise PydanticCustomError("one_output", "should have one of json, json_object, regex, choice and grammar")
        return self

    def _outputs(self) -> list[StructuredOutput]:
        outputs = (
            json_output(self.json_schema),
            JsonOutput() if self.json_object else None,
            regex_output(self.regex),
            choice_output(self.choice),
            grammar_output(self.grammar),
        )
        return [output for output in outputs if output is not None]

    def typed(self) -> StructuredOutput:
        """For serving."""
        return self._outputs()[0]


def json_output(schema: dict[str, Any] | None) -> JsonOutput | None:
    """`{}` is any object."""
    return None if schema is None else JsonOutput(schema or None)


def regex_output(pattern: str | None) -> RegexOutput | None:
    """See `RegexOutput`."""
    return None if pattern is None else RegexOutput(pattern)


def choice_output(texts: list[str] | None) -> ChoiceOutput | None:
    """See `ChoiceOutput`."""
    return None if texts is None else ChoiceOutput(tuple(texts))


def grammar_output(lark: str | None) -> GrammarOutput | None:
    """See `GrammarOutput`."""
    return None if lark is None else GrammarOutput(lark)


class Guided(NullIsUnset):
    """The fields that hold an answer to something; at most one of them is given."""

    response_format: ResponseFormat | None = None
    structured_outputs: StructuredOutputs | None = None
    guided_json: Schema | None = None
    guided_regex: Pattern | None = None
    guided_choice: Texts | None = None
    guided_grammar: Grammar | None = None

    def structured_output(self) -> tuple[str, StructuredOutput] | None:
        """What the answer is held to, and the field that asks for it. Raises InvalidInput for several."""
        outputs: dict[str, StructuredOutput | None] = {
            "response_format": self.response_format.typed() if self.response_format else None,
            "structured_outputs": self.structured_outputs.typed() if self.structured_outputs else None,
            "guided_json": json_output(self.guided_json),
            "guided_regex": regex_output(self.guided_regex),
            "guided_choice": choice_output(self.guided_choice),
            "guided_grammar": grammar_output(self.guided_grammar),
        }
        given = [(name, output) for name, output in outputs.items() if output is not None]
        if len(given) > 1:
            raise InvalidInput([f"{given[1][0]}: not with {given[0][0]}; leave one out"])
        return given[0] if given else None
