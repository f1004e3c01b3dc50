"""The input of a text-generation model: one pydantic schema for checking requests and for publishing.

Bounds are those of the published model schemas, widened as the wire contract says. Decisions where they leave room:
`prompt` and `messages` together are refused (the schema's `oneOf`); a field that is null counts as not given; 1.0 is an
integer (JSON Schema's rule), "1" and true are not.
"""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from fireside.api.schema.nullable import NullIsUnset
from fireside.api.schema.sampling_fields import WHOLE, SamplingFields
from fireside.api.schema.tool_fields import (
    MAX_TOOLS,
    Choice,
    EarlierCall,
    GuidedJson,
    ResponseFormat,
    Tool,
    structured_output,
    tool_choice,
)
from fireside.chat.messages import Message, Role
from fireside.engine.types import Adapter
from fireside.errors import InvalidInput
from fireside.serving.types import TextRequest, ToolChoice

MAX_TEXT = 131_072
"""Most characters (code points) of a prompt, and of one message's content."""

MAX_MESSAGES = 16_384
"""More turns than any context window has room for."""

MAX_PARTS = 4096
"""Of one message's content."""

MAX_FUNCTIONS = 128
MAX_LABEL = 1000
"""Most characters of ids and names that are only handed on."""

MAX_TOKENS = 2**31 - 1
"""Far beyond any context window, which is the real bound; here so that no number is without one."""

_MAX_PROBLEMS = 8


def _flag(value: object) -> object:
    return {"true": True, "false": False}.get(value, value) if isinstance(value, str) else value


def _text(content: object) -> object:
    """Content given as an array of text parts, as one string."""
    if not isinstance(content, list):
        return content
    if len(content) > MAX_PARTS:
        raise PydanticCustomError("text_parts", "should have at most {most} parts", {"most": MAX_PARTS})
    texts = []
    for part in content:
        if not (isinstance(part, dict) and part.get("type") == "text" and isinstance(part.get("text"), str)):
            raise PydanticCustomError("text_part", 'should be a string or an array of {"type": "text", "text": "…"}')
        texts.append(part["text"])
    return "".join(texts)


Flag = Annotated[
    bool,
    BeforeValidator(_flag),
    WithJsonSchema({"anyOf": [{"type": "boolean"}, {"type": "string", "enum": ["true", "false"]}]}),
]


def _not_too_many(messages: object) -> object:
    if isinstance(messages, list) and len(messages) > MAX_MESSAGES:
        raise PydanticCustomError("too_many", "should have at most {most} items", {"most": MAX_MESSAGES})
    return messages


AT_MOST_1 = AfterValidator(lambda part: min(part, 1.0))

# Not in the published schema, where the bound would only make tests and forms of it unwieldy.
NOT_TOO_MANY = BeforeValidator(_not_too_many)
"""At most `MAX_MESSAGES` of them."""

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


class ChatMessage(NullIsUnset):
    """One turn of a conversation. `developer` is today's name for `system`."""

    role: Literal[Role, "developer"]
    content: Content
    tool_calls: Annotated[list[EarlierCall], Field(max_length=MAX_TOOLS, fail_fast=True)] = []
    tool_call_id: Annotated[str, Field(max_length=MAX_LABEL)] | None = None
    name: Annotated[str, Field(max_length=MAX_LABEL)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _says_something(cls, value: object) -> object:
        """A turn that calls tools need not."""
        if isinstance(value, dict) and value.get("content") is None:
            if value.get("tool_calls"):
                return {**value, "content": ""}
            if "content" in value:
                raise PydanticCustomError(
                    "content_null", "content is null, which only a turn with tool_calls may have: give a text"
                )
        return value

    def typed(self) -> Message:
        """For prompting and serving. Fields that belong to another role are ignored, as unknown ones are."""
        match self.role:
            case "assistant":
                return Message(self.role, self.content, tuple(call.typed() for call in self.tool_calls))
            case "tool":
                return Message(self.role, self.content, tool_call_id=self.tool_call_id, name=self.name)
            case "developer":
                return Message("system", self.content)
            case _:
                return Message(self.role, self.content)


class CodeFunction(NullIsUnset):
    """A function given by its code."""

    name: Annotated[str, Field(max_length=MAX_LABEL)]
    code: Annotated[str, Field(max_length=MAX_TEXT)]


class Options(NullIsUnset):
    """How the request is treated, as opposed to what the model sees."""

    reject_if_busy: Annotated[Flag, Field(alias="rejectIfBusy")] = False


class _First(NullIsUnset):
    """Stands before the sampling parameters where fields are listed."""

    raw: Annotated[Flag, Field(description="Apply no chat template.")] = False
    stream: Annotated[bool, Field(description="Answer with server-sent events.")] = False
    max_tokens: Annotated[int, Field(ge=1, le=MAX_TOKENS, description="Maximum tokens to generate."), WHOLE] = 256


class _Common(SamplingFields, _First):
    top_p: Annotated[float, Field(ge=0, le=2, description="Values above 1 count as 1."), AT_MOST_1] | None = None
    top_k: Annotated[int, Field(ge=1, le=50), WHOLE] | None = None
    seed: Annotated[int, Field(ge=1, le=9_999_999_999), WHOLE] | None = None
    lora: Annotated[str, Field(description="Id or name of a fine-tune.")] | None = None
    response_format: ResponseFormat | None = None
    guided_json: GuidedJson | None = None
    options: Options = Options()


def _one_text(prompt: object) -> object:
    if not isinstance(prompt, list):
        return prompt
    given = "token ids" if prompt and not isinstance(prompt[0], str) else "a list of texts"
    raise PydanticCustomError(
        "one_text", "should be one text, got {given}: OpenAI's route, /v1/completions, takes them", {"given": given}
    )


class PromptInput(_Common):
    """A single question."""

    prompt: Annotated[str, Field(min_length=1, max_length=MAX_TEXT), BeforeValidator(_one_text)]


class MessagesInput(_Common):
    """A conversation."""

    messages: Annotated[list[ChatMessage], Field(min_length=1, fail_fast=True), NOT_TOO_MANY]
    functions: Annotated[list[CodeFunction], Field(max_length=MAX_FUNCTIONS, fail_fast=True)] = []
    tools: Annotated[list[Tool], Field(max_length=MAX_TOOLS, fail_fast=True)] = []
    tool_choice: Choice | None = None


TextInput = PromptInput | MessagesInput


def parse_input(body: dict[str, Any]) -> TextInput:
    """Check a request's JSON object.

    Raises:
        InvalidInput: naming each field that is wrong, and its bound.
    """
    has_prompt, has_messages = (body.get(name) is not None for name in ("prompt", "messages"))
    if has_prompt == has_messages:
        both = "not both" if has_prompt else "one of them is required"
        raise InvalidInput([f"give either prompt or messages: {both}"])
    try:
        parsed: TextInput = (PromptInput if has_prompt else MessagesInput).model_validate(body)
    except ValidationError as error:
        raise InvalidInput(problem_lines(error)) from None
    if isinstance(parsed, PromptInput):
        stray = [name for name in ("functions", "tools") if body.get(name)]
        if stray:
            raise InvalidInput([f"{name}: goes with messages, not with prompt" for name in stray])
    return parsed


def to_request(model: str, parsed: TextInput, account: str, adapter: Adapter | None = None) -> TextRequest:
    """The typed request for `fireside.serving`. Raises InvalidInput when fields do not go together."""
    form = structured_output(parsed.response_format, parsed.guided_json)
    prompt, messages = None, None
    tools: list[Tool] = []
    choice: ToolChoice = "auto"
    if isinstance(parsed, PromptInput):
        prompt = parsed.prompt
    else:
        messages = tuple(turn.typed() for turn in parsed.messages)
        tools = parsed.tools
        names = [*(tool.name for tool in tools), *(function.name for function in parsed.functions)]
        choice = tool_choice(parsed.tool_choice, names)
    if tools and choice != "none" and parsed.raw:
        raise InvalidInput(["tools: not with raw, which leaves no place to tell the model of them"])
    if tools and choice != "none" and form is not None:
        raise InvalidInput(
            ['response_format: not with tools that may be called; leave one out, or say tool_choice "none"']
        )
    return TextRequest(
        model=model,
        prompt=prompt,
        messages=messages,
        raw=parsed.raw,
        max_tokens=parsed.max_tokens,
        sampling=parsed.sampling(),
        adapter=adapter,
        account=account,
        wait=not parsed.options.reject_if_busy,
        structured_output=form,
        tools=tuple(tool.typed() for tool in tools),
        tool_choice=choice,
    )


def problem_lines(error: ValidationError) -> list[str]:
    """One line per problem, naming the field and its bound; the value given is not repeated. What is wrong between
    fields names them itself."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    lines = [
        ": ".join(filter(None, [".".join(map(str, problem["loc"])), problem["msg"].replace("Input should", "should")]))
        for problem in found[:_MAX_PROBLEMS]
    ]
    if len(found) > _MAX_PROBLEMS:
        lines.append(f"and {len(found) - _MAX_PROBLEMS} more")
    return lines
