"""What OpenAI's clients send to chat/completions and completions, and what it means here.

Field names and meanings are those of OpenAI's API reference, or else of vLLM's documentation. docs/openai.md has a line
for every one of them. Where they leave room or this server differs:

- Unset fields take the model's own defaults rather than OpenAI's: temperature 0.6.
- A chat answer without max_completion_tokens ends by itself, with the context window, or after `MAX_ANSWER_TOKENS`
  tokens, whichever comes first. A completion's default is OpenAI's 16.
- temperature goes to 5, `seed` takes any 64-bit integer, up to 16 stop texts may be given.
- `options.rejectIfBusy` asks for a refusal rather than a place in the queue, as on the run route.
- `lora` names a fine-tune; so does a model id that ends in `:NAME`, for clients that cannot send fields of their own.
- What would change the answer, but is not offered, is refused by name (`fireside.api.openai.refused`), and so is a
  field that this API does not have. A field that is null counts as not given.
"""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Self, TypeVar

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    model_validator,
)
from pydantic_core import PydanticCustomError

from fireside.api.openai.guided import Guided
from fireside.api.openai.refused import CHAT, COMPLETIONS, Refused, refuse
from fireside.api.openai.turns import FunctionTool, Turn
from fireside.api.openai.values import MAX_CHOICES, LogitBias, Prompts, StopTexts, TokenIds
from fireside.api.schema.nullable import NullIsUnset
from fireside.api.schema.run_input import MAX_TOKENS, NOT_TOO_MANY, Options, problem_lines
from fireside.api.schema.sampling_fields import WHOLE, SamplingFields
from fireside.api.schema.tool_fields import MAX_TOOLS, Choice
from fireside.engine.types import MAX_SCORES, Sampling
from fireside.errors import InvalidInput

MAX_ANSWER_TOKENS = 4096
"""Tokens of a chat answer when the client sets no limit: a small model may never come to an end."""

COMPLETION_TOKENS = 16
SEEDS = 2**63
"""The engine counts from 0; of the seeds that clients send, only those beyond 2**63 share an answer."""

_AT_LEAST_0 = AfterValidator(lambda count: max(0, count))
_FROM_0 = AfterValidator(lambda seed: seed % SEEDS)

_MAX_LABEL = 1024
_MAX_NAME = 64


Label = Annotated[str, Field(max_length=_MAX_LABEL)]


class StreamOptions(NullIsUnset):
    """What a stream holds beside the answer."""

    include_usage: bool = False
    include_obfuscation: bool | None = None

    @model_validator(mode="before")
    @classmethod
    def _is_offered(cls, value: object) -> object:
        if isinstance(value, dict) and value.get("continuous_usage_stats"):
            raise PydanticCustomError("not_offered", "continuous_usage_stats is not supported: use include_usage")
        return value


def _with_stream(options: StreamOptions, info: ValidationInfo) -> StreamOptions:
    if not info.data.get("stream", True):
        raise PydanticCustomError("no_stream", "requires stream: true")
    return options


class Bookkeeping(NullIsUnset):
    """Fields for the books of who runs a service, and hints: checked, and without effect on any answer."""

    user: Label | None = None
    safety_identifier: Label | None = None
    session_id: Label | None = None
    metadata: Annotated[dict[str, Any], Field(max_length=64)] = {}
    store: bool = False
    service_tier: Label | None = None
    prompt_cache_key: Label | None = None
    prompt_cache_retention: Label | None = None
    prompt_cache_options: dict[str, Any] = {}
    prediction: dict[str, Any] = {}
    include_reasoning: bool = True
    spaces_between_special_tokens: bool = True


class _Common(Guided, Bookkeeping, SamplingFields):
    model_config = ConfigDict(extra="forbid")
    refused: ClassVar[Mapping[str, Refused]]
    default_tokens: ClassVar[int]
    """Most of an answer where the client sets no limit."""

    model: Annotated[
        str, Field(min_length=1, max_length=400, description="Model id, optionally followed by `:NAME` of a fine-tune.")
    ]
    stream: bool = False
    stream_options: Annotated[StreamOptions, AfterValidator(_with_stream)] = StreamOptions()
    max_tokens: Annotated[int, Field(ge=1, le=MAX_TOKENS), WHOLE] | None = None
    min_tokens: Annotated[int, Field(ge=0, le=MAX_TOKENS), WHOLE] = 0
    top_k: Annotated[int, Field(ge=-1, le=1000, description="0 and -1 disable it."), WHOLE, _AT_LEAST_0] | None = None
    min_p: Annotated[float, Field(ge=0, le=1)] = 0.0
    typical_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    logit_bias: LogitBias = {}
    allowed_token_ids: TokenIds = []
    seed: Annotated[int, Field(ge=-SEEDS, lt=SEEDS), WHOLE, _FROM_0] | None = None
    stop: StopTexts = []
    stop_token_ids: Annotated[TokenIds, Field(max_length=64)] = []
    ignore_eos: bool = False
    include_stop_str_in_output: bool = False
    skip_special_tokens: bool = True
    n: Annotated[int, Field(ge=1, le=MAX_CHOICES), WHOLE] = 1
    lora: Annotated[str, Field(max_length=200, description="Id or name of a fine-tune.")] | None = None
    cache_salt: Annotated[str, Field(min_length=1, max_length=_MAX_LABEL)] | None = None
    request_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9._:-]{1,128}$")] | None = None
    return_token_ids: bool = False
    return_tokens_as_token_ids: bool = False
    options: Options = Options()

    @model_validator(mode="after")
    def _ends(self) -> Self:
        limit = self.default_tokens if self.most_tokens is None else self.most_tokens
        if self.min_tokens > limit:
            raise PydanticCustomError(
                "least", "min_tokens: should be at most max_tokens, which is {limit}", {"limit": limit}
            )
        return self

    @property
    def most_tokens(self) -> int | None:
        """Of an answer, where the client says."""
        return self.max_tokens

    def sampling(self, **more: Any) -> Sampling:
        return super().sampling(allowed_ids=self.allowed_token_ids, **more)


class ChatInput(_Common):
    """Body of POST chat/completions."""

    refused = CHAT
    default_tokens = MAX_ANSWER_TOKENS

    messages: Annotated[list[Turn], Field(min_length=1, fail_fast=True), NOT_TOO_MANY]
    max_completion_tokens: Annotated[int, Field(ge=1, le=MAX_TOKENS), WHOLE] | None = None
    tools: Annotated[list[FunctionTool], Field(max_length=MAX_TOOLS, fail_fast=True)] = []
    tool_choice: Choice = "auto"
    parallel_tool_calls: bool = True
    logprobs: bool = False
    top_logprobs: Annotated[int, Field(ge=0, le=MAX_SCORES), WHOLE] = 0
    add_generation_prompt: bool | None = None
    continue_final_message: bool | None = None

    @property
    def most_tokens(self) -> int | None:
        return self.max_completion_tokens or self.max_tokens

    @model_validator(mode="after")
    def _scores_go_together(self) -> Self:
        if self.top_logprobs and not self.logprobs:
            raise PydanticCustomError("top_logprobs", "top_logprobs: requires logprobs: true")
        return self

    @model_validator(mode="after")
    def _begins_or_goes_on(self) -> Self:
        """The one rule there is: a last turn of the assistant is continued, after any other it begins one."""
        goes_on = self.messages[-1].role == "assistant"
        if goes_on and (self.continue_final_message is False or self.add_generation_prompt is True):
            name = "add_generation_prompt" if self.add_generation_prompt else "continue_final_message"
            raise PydanticCustomError(
                "goes_on",
                "{name}: a last message of the assistant is always continued; for a new answer, leave it out",
                {"name": name},
            )
        if not goes_on and self.continue_final_message is True:
            raise PydanticCustomError("begins", "continue_final_message: the last message must be the assistant's")
        if not goes_on and self.add_generation_prompt is False:
            raise PydanticCustomError(
                "begins", "add_generation_prompt: the assistant's turn always begins after a message of another role"
            )
        return self


class CompletionInput(_Common):
    """Body of POST completions."""

    refused = COMPLETIONS
    default_tokens = COMPLETION_TOKENS

    prompt: Prompts
    max_tokens: Annotated[int, Field(ge=0, le=MAX_TOKENS, description="0 is allowed only with echo."), WHOLE] | None = (
        None
    )
    echo: bool = False
    best_of: Annotated[int, Field(ge=1, le=MAX_CHOICES), WHOLE] | None = None
    logprobs: Annotated[int, Field(ge=0, le=MAX_SCORES), WHOLE] | None = None

    @property
    def each(self) -> int:
        """Answers to make for each prompt, of which the n best are told."""
        return self.best_of or self.n

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.max_tokens == 0 and not self.echo:
            raise PydanticCustomError("nothing", "max_tokens: 0 requires echo: true")
        if self.each < self.n:
            raise PydanticCustomError("best_of", "best_of: should be at least n")
        if self.each > self.n and self.stream:
            raise PydanticCustomError("best_of", "best_of: cannot exceed n when streaming")
        if self.each * len(self.prompt) > MAX_CHOICES:
            raise PydanticCustomError(
                "choices",
                "prompt: {prompts} prompts with {each} answers each exceed the limit of {most} answers: send fewer",
                {"prompts": len(self.prompt), "each": self.each, "most": MAX_CHOICES},
            )
        return self


Body = TypeVar("Body", bound=_Common)


def parse(kind: type[Body], body: dict[str, Any]) -> Body:
    """Check a request's JSON object.

    Raises:
        InvalidInput: naming each field that is wrong, and its bound.
        FeatureUnavailable: well-formed, but not offered here.
    """
    left = refuse(body, kind.refused)
    if unknown := [name for name, value in left.items() if value is not None and name not in kind.model_fields]:
        raise InvalidInput([f"{name[:_MAX_NAME]}: unknown field: leave it out" for name in unknown[:8]])
    try:
        return kind.model_validate(left)
    except ValidationError as error:
        raise InvalidInput(problem_lines(error)) from None
