"""What OpenAI's clients send to chat/completions and completions, and what it means here.

Field names and meanings are those of OpenAI's API reference. Where it leaves room or this server differs:

- Unset fields take the model's own defaults rather than OpenAI's: temperature 0.6.
- A chat answer without max_completion_tokens ends by itself, with the context window, or after `LONGEST_ANSWER` tokens,
  whichever comes first. A completion's default is OpenAI's 16.
- temperature goes to 5, `seed` takes any 64-bit integer, up to 16 stop texts may be given.
- `options.rejectIfBusy` asks for a refusal rather than a place in the queue, as on the run route.
- `top_k`, `repetition_penalty` and `guided_json`, which others have added to this API, are as on the run route.
- `lora` names a fine-tune; so does a model id that ends in `:NAME`, for clients that cannot send fields of their own.
- What would change the answer, but is not offered, is refused by name. Fields without effect (`user`, `store`,
  `metadata` …) are ignored, and so are unknown ones. A field that is null counts as not given.
"""

from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

from fireside.api.inputs import MAX_TEXT, MAX_TOKENS, NOT_TOO_MANY, WHOLE, Content, Options, problem_lines
from fireside.api.nullable import null_is_unset
from fireside.api.tools import MOST_TOOLS, Choice, GuidedJson, ResponseFormat
from fireside.engine.types import Sampling
from fireside.errors import FeatureUnavailable, InvalidInput

LONGEST_ANSWER = 4096
"""Tokens of a chat answer when the client sets no limit: a small model may never come to an end."""

COMPLETION_TOKENS = 16

_INT64 = 2**63
_ONE_ANSWER = "this server gives one answer for each request: send it without, or as 1"
_NO_PROBABILITIES = "this server does not tell probabilities: send the request without"


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _without_nulls(value: object) -> object:
    return {name: item for name, item in value.items() if item is not None} if isinstance(value, dict) else value


Name = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[a-zA-Z0-9_-]+$")]


def _texts(most: int, longest: int, least: int = 0) -> Any:
    """Metadata of a field that takes one text or a list of them."""
    text = {"type": "string", "minLength": 1, "maxLength": longest}
    texts = {"type": "array", "items": text, "minItems": least, "maxItems": most}
    return WithJsonSchema({"anyOf": [text, texts]})


StopTexts = Annotated[
    list[Annotated[str, Field(min_length=1, max_length=1000)]],
    Field(max_length=16),
    BeforeValidator(_as_list),
    _texts(16, 1000),
]
OnePrompt = Annotated[
    list[Annotated[str, Field(min_length=1, max_length=MAX_TEXT)]],
    Field(min_length=1, max_length=1),
    BeforeValidator(_as_list),
    _texts(1, MAX_TEXT, 1),
]


class _Input(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="ignore", json_schema_extra=null_is_unset)

    @model_validator(mode="before")
    @classmethod
    def _null_is_unset(cls, value: object) -> object:
        return _without_nulls(value)


class CalledFunctionInput(_Input):
    """A function that the model called, and with what: the text of a JSON object."""

    name: Name
    arguments: Annotated[str, Field(max_length=MAX_TEXT)]


class CallInput(_Input):
    """A call in an assistant's turn."""

    id: Annotated[str, Field(max_length=200)]
    type: Literal["function"] = "function"
    function: CalledFunctionInput


class Turn(_Input):
    """One message. `developer` is today's name for `system`. Content may be left out beside tool_calls."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: Content = ""
    name: Annotated[str, Field(max_length=200)] | None = None
    tool_calls: Annotated[list[CallInput], Field(max_length=MOST_TOOLS, fail_fast=True)] | None = None
    tool_call_id: Annotated[str, Field(max_length=200)] | None = None

    @model_validator(mode="after")
    def _says_something(self) -> "Turn":
        if "content" not in self.model_fields_set and not (self.role == "assistant" and self.tool_calls):
            raise PydanticCustomError("content_missing", "content is missing")
        if self.tool_calls and self.role != "assistant":
            raise PydanticCustomError("stray_calls", "tool_calls go with the role assistant")
        if self.role == "tool" and self.tool_call_id is None:
            raise PydanticCustomError("tool_call_id_missing", "tool_call_id is missing: say which call this answers")
        return self


class FunctionSpec(_Input):
    """A function the model may call. `parameters` is a JSON schema of type object."""

    name: Name
    description: Annotated[str, Field(max_length=MAX_TEXT)] = ""
    parameters: dict[str, Any] = {}


class FunctionTool(_Input):
    """A tool; functions are the only kind there is."""

    type: Literal["function"]
    function: FunctionSpec


class StreamOptions(_Input):
    """What a stream holds beside the answer."""

    include_usage: bool = False


def _with_stream(options: StreamOptions, info: ValidationInfo) -> StreamOptions:
    if not info.data.get("stream", True):
        raise PydanticCustomError("no_stream", "goes with stream: true only")
    return options


class _Common(_Input):
    model: Annotated[str, Field(min_length=1, max_length=400, description="A model's id, `:NAME` of a LoRA after it.")]
    stream: bool = False
    stream_options: Annotated[StreamOptions, AfterValidator(_with_stream)] = StreamOptions()
    max_tokens: Annotated[int, Field(ge=1, le=MAX_TOKENS), WHOLE] | None = None
    temperature: Annotated[float, Field(ge=0, le=5, description="0 always takes the likeliest token.")] = 0.6
    top_p: Annotated[float, Field(ge=0, le=1)] = 1.0
    frequency_penalty: Annotated[float, Field(ge=-2, le=2)] = 0.0
    presence_penalty: Annotated[float, Field(ge=-2, le=2)] = 0.0
    top_k: Annotated[int, Field(ge=0, le=1000), WHOLE] = 0
    repetition_penalty: Annotated[float, Field(ge=0, le=2)] = 1.0
    seed: Annotated[int, Field(ge=-_INT64, lt=_INT64), WHOLE] | None = None
    stop: StopTexts = []
    lora: Annotated[str, Field(max_length=200, description="Id or name of a fine-tune.")] | None = None
    n: Annotated[int, Field(ge=1, le=128), WHOLE] = 1
    logit_bias: Annotated[dict[str, float], Field(max_length=1024, fail_fast=True)] = {}
    options: Options = Options()

    def sampling(self) -> Sampling:
        """The engine's form of the sampling fields."""
        return Sampling(
            temperature=self.temperature,
            top_p=self.top_p,
            # The engine counts from 0. Only what no client sends, seeds beyond 2**63, would share an answer.
            seed=None if self.seed is None else self.seed % _INT64,
            frequency_penalty=self.frequency_penalty,
            presence_penalty=self.presence_penalty,
            top_k=self.top_k,
            repetition_penalty=self.repetition_penalty or 1.0,
        )

    def refuse_unavailable(self) -> None:
        """Raise FeatureUnavailable for what is well-formed, but not offered, and would change the answer."""
        for name, why in self._unavailable().items():
            if getattr(self, name) != type(self).model_fields[name].get_default():
                raise FeatureUnavailable(f"{name}: {why}.")

    def _unavailable(self) -> dict[str, str]:
        return {"n": _ONE_ANSWER, "logit_bias": "not offered: send the request without"}


class ChatInput(_Common):
    """Body of POST chat/completions."""

    messages: Annotated[list[Turn], Field(min_length=1, fail_fast=True), NOT_TOO_MANY]
    max_completion_tokens: Annotated[int, Field(ge=1, le=MAX_TOKENS), WHOLE] | None = None
    response_format: ResponseFormat | None = None
    guided_json: GuidedJson | None = None
    tools: Annotated[list[FunctionTool], Field(max_length=MOST_TOOLS, fail_fast=True)] = []
    tool_choice: Choice = "auto"
    parallel_tool_calls: bool = True
    logprobs: bool = False
    top_logprobs: Annotated[int, Field(ge=0, le=20), WHOLE] = 0
    modalities: Annotated[list[Literal["text", "audio"]], Field(max_length=8, fail_fast=True)] = ["text"]
    functions: Annotated[list[dict[str, Any]], Field(max_length=MOST_TOOLS, fail_fast=True)] = []
    function_call: str | dict[str, Any] = "auto"

    def _unavailable(self) -> dict[str, str]:
        tools = "OpenAI has replaced this field: send tools and tool_choice"
        return {
            **super()._unavailable(),
            "logprobs": _NO_PROBABILITIES,
            "top_logprobs": _NO_PROBABILITIES,
            "modalities": "this server speaks text only",
            "functions": tools,
            "function_call": tools,
        }


class CompletionInput(_Common):
    """Body of POST completions."""

    prompt: Annotated[OnePrompt, Field(description="The text as the model sees it, special tokens and all.")]
    echo: bool = False
    suffix: Annotated[str, Field(max_length=MAX_TEXT)] = ""
    best_of: Annotated[int, Field(ge=1, le=20), WHOLE] = 1
    logprobs: Annotated[int, Field(ge=0, le=5), WHOLE] | None = None

    def _unavailable(self) -> dict[str, str]:
        return {
            **super()._unavailable(),
            "echo": "this server does not repeat the prompt: send the request without",
            "suffix": "this server does not fill in texts: send the request without",
            "best_of": _ONE_ANSWER,
            "logprobs": _NO_PROBABILITIES,
        }


Body = TypeVar("Body", bound=_Common)


def parse(kind: type[Body], body: dict[str, Any]) -> Body:
    """Check a request's JSON object.

    Raises:
        InvalidInput: naming each field that is wrong, and its bound.
        FeatureUnavailable: well-formed, but not offered here.
    """
    try:
        parsed = kind.model_validate(body)
    except ValidationError as error:
        raise InvalidInput(problem_lines(error)) from None
    parsed.refuse_unavailable()
    return parsed
