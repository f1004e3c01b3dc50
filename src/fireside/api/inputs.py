"""The input of a text-generation model: one pydantic schema for checking requests and for publishing.

Bounds are those of the published model schemas, widened as the wire contract says. Decisions where they leave room:
`prompt` and `messages` together are refused (the schema's `oneOf`); a field that is null counts as not given; 1.0 is an
integer (JSON Schema's rule), "1" and true are not; of `tool_calls` beside a null content the model sees the JSON text.
"""

import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from fireside.engine.types import Adapter, Sampling
from fireside.errors import FeatureUnavailable, InvalidInput
from fireside.prompting.messages import Message, Role
from fireside.serving.types import TextRequest

MAX_TEXT = 131_072
"""Most characters (code points) of a prompt, and of one message's content."""

MAX_TOKENS = 2**31 - 1
"""Far beyond any context window, which is the real bound; here so that no number is without one."""

_MAX_PROBLEMS = 8


def _flag(value: object) -> object:
    return {"true": True, "false": False}.get(value, value) if isinstance(value, str) else value


def _whole(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _text(content: object) -> object:
    """Content given as an array of text parts, as one string."""
    if not isinstance(content, list):
        return content
    texts = []
    for part in content:
        if not (isinstance(part, dict) and part.get("type") == "text" and isinstance(part.get("text"), str)):
            raise PydanticCustomError("text_part", 'should be a string or an array of {"type": "text", "text": "…"}')
        texts.append(part["text"])
    return "".join(texts)


def null_is_unset(schema: dict[str, Any]) -> None:
    """Say in a model's schema what its reader does: a field that need not be given may be null just as well."""
    required = schema.get("required", ())
    for name, field in schema["properties"].items():
        if name not in required and _NULL not in field.get("anyOf", ()):
            about = {key: field.pop(key) for key in ("default", "description") if key in field}
            choices = field["anyOf"] if set(field) == {"anyOf"} else [dict(field)]
            schema["properties"][name] = {"anyOf": [*choices, _NULL], **about}


_NULL = {"type": "null"}

Flag = Annotated[
    bool,
    BeforeValidator(_flag),
    WithJsonSchema({"anyOf": [{"type": "boolean"}, {"type": "string", "enum": ["true", "false"]}]}),
]
_WHOLE = BeforeValidator(_whole)
_TEXT_PART = {
    "type": "object",
    "properties": {"type": {"const": "text"}, "text": {"type": "string"}},
    "required": ["type", "text"],
}
Content = Annotated[
    str,
    BeforeValidator(_text),
    Field(max_length=MAX_TEXT),
    WithJsonSchema({"anyOf": [{"type": "string", "maxLength": MAX_TEXT}, {"type": "array", "items": _TEXT_PART}]}),
]


class _Input(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")


class ChatMessage(_Input):
    """One turn of a conversation."""

    role: Role
    content: Content

    @model_validator(mode="before")
    @classmethod
    def _calls_as_content(cls, value: object) -> object:
        if isinstance(value, dict) and value.get("content") is None and value.get("tool_calls"):
            return {**value, "content": json.dumps(value["tool_calls"], ensure_ascii=False)}
        return value


class CodeFunction(_Input):
    """A function given by its code."""

    name: str
    code: str


class Tool(_Input):
    """A tool the model may call; also accepted inside `{"type": "function", "function": {…}}`."""

    name: str
    description: str = ""
    parameters: dict[str, Any] = {}

    @model_validator(mode="before")
    @classmethod
    def _unwrap(cls, value: object) -> object:
        if isinstance(value, dict) and value.get("type") == "function" and "function" in value:
            return value["function"]
        return value


class ResponseFormat(_Input):
    """The form the answer must have."""

    type: Literal["json_object", "json_schema"]
    json_schema: Any = None


class Options(_Input):
    """How the request is treated, as opposed to what the model sees."""

    reject_if_busy: Annotated[Flag, Field(alias="rejectIfBusy")] = False


class _Common(_Input):
    model_config = ConfigDict(json_schema_extra=null_is_unset)

    raw: Annotated[Flag, Field(description="Apply no chat template.")] = False
    stream: Annotated[bool, Field(description="Answer with server-sent events.")] = False
    max_tokens: Annotated[int, Field(ge=1, le=MAX_TOKENS, description="Most tokens to generate."), _WHOLE] = 256
    temperature: Annotated[float, Field(ge=0, le=5, description="0 always takes the likeliest token.")] = 0.6
    top_p: Annotated[float, Field(ge=0, le=2, description="Above 1 means 1.")] | None = None
    top_k: Annotated[int, Field(ge=1, le=50), _WHOLE] | None = None
    seed: Annotated[int, Field(ge=1, le=9_999_999_999), _WHOLE] | None = None
    repetition_penalty: Annotated[float, Field(ge=0, le=2)] | None = None
    frequency_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    presence_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    lora: Annotated[str, Field(description="Id or name of a fine-tune.")] | None = None
    response_format: ResponseFormat | None = None
    options: Options = Options()

    def sampling(self) -> Sampling:
        """The engine's form of the sampling fields."""
        return Sampling(
            temperature=self.temperature,
            top_p=1.0 if self.top_p is None else min(self.top_p, 1.0),
            top_k=self.top_k or 0,
            seed=self.seed,
            repetition_penalty=self.repetition_penalty or 1.0,
            frequency_penalty=self.frequency_penalty or 0.0,
            presence_penalty=self.presence_penalty or 0.0,
        )


class PromptInput(_Common):
    """A single question."""

    prompt: Annotated[str, Field(min_length=1, max_length=MAX_TEXT)]


class MessagesInput(_Common):
    """A conversation."""

    messages: Annotated[list[ChatMessage], Field(min_length=1)]
    functions: list[CodeFunction] = []
    tools: list[Tool] | None = None


TextInput = PromptInput | MessagesInput


def parse_input(body: dict[str, Any]) -> TextInput:
    """Check a request's JSON object.

    Raises:
        InvalidInput: naming each field that is wrong, and its bound.
        FeatureUnavailable: functions, tools or response_format, well-formed, but not offered here.
    """
    given = {name: value for name, value in body.items() if value is not None}
    if ("prompt" in given) == ("messages" in given):
        both = "not both" if "prompt" in given else "one of them is required"
        raise InvalidInput([f"give either prompt or messages: {both}"])
    try:
        parsed: TextInput = (PromptInput if "prompt" in given else MessagesInput).model_validate(given)
    except ValidationError as error:
        raise InvalidInput(problem_lines(error)) from None
    if isinstance(parsed, MessagesInput) and parsed.tools:
        raise FeatureUnavailable("This server does not offer tools yet: send the request without tools.")
    if isinstance(parsed, PromptInput):
        stray = [name for name in ("functions", "tools") if given.get(name)]
        if stray:
            raise InvalidInput([f"{name}: goes with messages, not with prompt" for name in stray])
    if parsed.response_format is not None:
        raise FeatureUnavailable("This server does not offer JSON mode yet: send the request without response_format.")
    return parsed


def to_request(model: str, parsed: TextInput, account: str, adapter: Adapter | None = None) -> TextRequest:
    """The typed request for `fireside.serving`."""
    prompt, messages = None, None
    if isinstance(parsed, PromptInput):
        prompt = parsed.prompt
    else:
        messages = tuple(Message(turn.role, turn.content) for turn in parsed.messages)
    return TextRequest(
        model=model,
        prompt=prompt,
        messages=messages,
        raw=parsed.raw,
        max_tokens=parsed.max_tokens,
        sampling=parsed.sampling(),
        adapter=adapter,
        tenant=account,
        wait=not parsed.options.reject_if_busy,
    )


def problem_lines(error: ValidationError) -> list[str]:
    """One line per problem, naming the field and its bound; the value given is not repeated."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    lines = [
        f"{'.'.join(map(str, problem['loc']))}: {problem['msg'].replace('Input should', 'should')}"
        for problem in found[:_MAX_PROBLEMS]
    ]
    if len(found) > _MAX_PROBLEMS:
        lines.append(f"and {len(found) - _MAX_PROBLEMS} more")
    return lines
