"""What OpenAI's clients get: the objects of its API reference."""

from typing import Literal

from msgspec import UNSET, Struct, UnsetType

from fireside.api.schema.tool_fields import CalledFunction
from fireside.api.schema.usage import TokenUsage
from fireside.serving.types import FinishReason


class Call(Struct, frozen=True, kw_only=True):
    """A call that the model makes. In a stream it comes whole, and with its place among the calls."""

    index: int | UnsetType = UNSET
    id: str
    type: Literal["function"] = "function"
    function: CalledFunction


class AssistantMessage(Struct, frozen=True, kw_only=True):
    """What the model says. `content` is null when it only calls tools."""

    role: Literal["assistant"] = "assistant"
    content: str | None
    refusal: None = None
    tool_calls: list[Call] | UnsetType = UNSET


class TokenLogprob(Struct, frozen=True):
    """How likely a token was: the natural logarithm of its probability, -9999.0 for as good as impossible.

    Args:
        token: its text; where that is no UTF-8, its bytes as `\\xHH`.
    """

    token: str
    logprob: float
    bytes: list[int]


class SaidLogprob(TokenLogprob, frozen=True):
    """The same of a token of the answer, and of the likeliest at its place."""

    top_logprobs: list[TokenLogprob]


class ChatLogprobs(Struct, frozen=True):
    """Of the tokens of which `content` consists."""

    content: list[SaidLogprob]
    refusal: None = None


class TextLogprobs(Struct, frozen=True):
    """Of the tokens of which `text` consists, in four lists of one length. Values as in `TokenLogprob`.

    Args:
        tokens: their texts; where that is no UTF-8, their bytes as `bytes:\\xHH`.
        token_logprobs: null for the first token of a prompt.
        top_logprobs: of the likeliest at each place, and of the token itself.
        text_offset: where in `text` each begins, in characters.
    """

    tokens: list[str]
    token_logprobs: list[float | None]
    top_logprobs: list[dict[str, float] | None]
    text_offset: list[int]


class ChatChoice(Struct, frozen=True, kw_only=True):
    """An answer. `token_ids` where they were asked for."""

    index: int
    message: AssistantMessage
    logprobs: ChatLogprobs | None = None
    finish_reason: FinishReason
    token_ids: list[int] | UnsetType = UNSET


class ChatCompletion(Struct, frozen=True, kw_only=True):
    """Answer of chat/completions. `created` is in seconds since 1970.

    Args:
        service_tier: where the request has one.
        prompt_token_ids: where they were asked for.
    """

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    choices: list[ChatChoice]
    usage: TokenUsage
    service_tier: Literal["default"] | UnsetType = UNSET
    prompt_token_ids: list[int] | UnsetType = UNSET


class ChatPart(Struct, frozen=True):
    """What is new in a piece of the answer."""

    role: Literal["assistant"] | UnsetType = UNSET
    content: str | UnsetType = UNSET
    tool_calls: list[Call] | UnsetType = UNSET


class ChunkChoice(Struct, frozen=True, kw_only=True):
    """A piece of an answer. Its last one has a finish_reason."""

    index: int
    delta: ChatPart
    logprobs: ChatLogprobs | None = None
    finish_reason: FinishReason | None = None
    token_ids: list[int] | UnsetType = UNSET


class ChatCompletionChunk(Struct, frozen=True, kw_only=True):
    """A frame of a stream of chat/completions.

    Where include_usage was asked for, every frame has a usage: null, but for the last, which has no choices.
    """

    id: str
    object: Literal["chat.completion.chunk"] = "chat.completion.chunk"
    created: int
    model: str
    choices: list[ChunkChoice]
    usage: TokenUsage | UnsetType | None = UNSET
    service_tier: Literal["default"] | UnsetType = UNSET
    prompt_token_ids: list[int] | UnsetType = UNSET
    obfuscation: str | UnsetType = UNSET


class CompletionChoice(Struct, frozen=True, kw_only=True):
    """An answer, or in a stream a piece of one; only its last piece has a finish_reason.

    Args:
        token_ids, prompt_token_ids: where they were asked for.
    """

    index: int
    text: str
    logprobs: TextLogprobs | None = None
    finish_reason: FinishReason | None = None
    token_ids: list[int] | UnsetType = UNSET
    prompt_token_ids: list[int] | UnsetType = UNSET


class Completion(Struct, frozen=True, kw_only=True):
    """Answer of completions, and a frame of its stream."""

    id: str
    object: Literal["text_completion"] = "text_completion"
    created: int
    model: str
    choices: list[CompletionChoice]
    usage: TokenUsage | UnsetType | None = UNSET
    service_tier: Literal["default"] | UnsetType = UNSET
    obfuscation: str | UnsetType = UNSET


class Model(Struct, frozen=True, kw_only=True):
    """A model of the catalog. `created` is in seconds since 1970."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str


class ModelList(Struct, frozen=True, kw_only=True):
    """Answer of models."""

    object: Literal["list"] = "list"
    data: list[Model]
