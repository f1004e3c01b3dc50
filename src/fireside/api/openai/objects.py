"""What OpenAI's clients get: the objects of its API reference.

Those that are made for each token are not frozen: to make a frozen dataclass takes three times as long.
"""

from dataclasses import dataclass
from typing import Literal

from fireside.api.schema.run_output import CalledFunction, TokenUsage
from fireside.api.unset import UNSET, Unset
from fireside.serving.types import FinishReason


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A call that the model makes. In a stream it comes whole, and with its place among the calls."""

    index: int | Unset = UNSET
    id: str
    type: Literal["function"] = "function"
    function: CalledFunction


@dataclass(frozen=True, slots=True, kw_only=True)
class AssistantMessage:
    """What the model says. `content` is null when it only calls tools."""

    role: Literal["assistant"] = "assistant"
    content: str | None
    refusal: None = None
    tool_calls: list[Call] | Unset = UNSET


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """How likely a token was: the natural logarithm of its probability, -9999.0 for as good as impossible.

    Args:
        token: its text; where that is not UTF-8, its bytes as `\\xHH`.
    """

    token: str
    logprob: float
    bytes: list[int]


@dataclass(frozen=True, slots=True)
class SaidLogprob(TokenLogprob):
    """The same of a token of the answer, and of the likeliest at its place."""

    top_logprobs: list[TokenLogprob]


@dataclass(frozen=True, slots=True)
class ChatLogprobs:
    """Of the tokens of which `content` consists."""

    content: list[SaidLogprob]
    refusal: None = None


@dataclass(frozen=True, slots=True)
class TextLogprobs:
    """Of the tokens of which `text` consists, in four lists of one length. Values as in `TokenLogprob`.

    Args:
        tokens: their texts; where that is not UTF-8, their bytes as `bytes:\\xHH`.
        token_logprobs: null for the first token of a prompt.
        top_logprobs: of the likeliest at each place, and of the token itself.
        text_offset: where in `text` each begins, in characters.
    """

    tokens: list[str]
    token_logprobs: list[float | None]
    top_logprobs: list[dict[str, float] | None]
    text_offset: list[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatChoice:
    """An answer. `token_ids` where they were asked for."""

    index: int
    message: AssistantMessage
    logprobs: ChatLogprobs | None = None
    finish_reason: FinishReason
    token_ids: list[int] | Unset = UNSET


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatCompletion:
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
    service_tier: Literal["default"] | Unset = UNSET
    prompt_token_ids: list[int] | Unset = UNSET


@dataclass(slots=True)
class ChatPart:
    """What is new in a piece of the answer."""

    role: Literal["assistant"] | Unset = UNSET
    content: str | Unset = UNSET
    tool_calls: list[Call] | Unset = UNSET


@dataclass(slots=True, kw_only=True)
class ChunkChoice:
    """A piece of an answer. Its last one has a finish_reason."""

    index: int
    delta: ChatPart
    logprobs: ChatLogprobs | None = None
    finish_reason: FinishReason | None = None
    token_ids: list[int] | Unset = UNSET


@dataclass(slots=True, kw_only=True)
class ChatCompletionChunk:
    """A frame of a stream of chat/completions.

    Where include_usage was asked for, every frame has a usage: null, except for the last, which has no choices.
    """

    id: str
    object: Literal["chat.completion.chunk"] = "chat.completion.chunk"
    created: int
    model: str
    choices: list[ChunkChoice]
    usage: TokenUsage | Unset | None = UNSET
    service_tier: Literal["default"] | Unset = UNSET
    prompt_token_ids: list[int] | Unset = UNSET
    obfuscation: str | Unset = UNSET


@dataclass(slots=True, kw_only=True)
class CompletionChoice:
    """An answer, or in a stream a piece of one; only its last piece has a finish_reason.

    Args:
        token_ids, prompt_token_ids: where they were asked for.
    """

    index: int
    text: str
    logprobs: TextLogprobs | None = None
    finish_reason: FinishReason | None = None
    token_ids: list[int] | Unset = UNSET
    prompt_token_ids: list[int] | Unset = UNSET


@dataclass(slots=True, kw_only=True)
class Completion:
    """Answer of completions, and a frame of its stream."""

    id: str
    object: Literal["text_completion"] = "text_completion"
    created: int
    model: str
    choices: list[CompletionChoice]
    usage: TokenUsage | Unset | None = UNSET
    service_tier: Literal["default"] | Unset = UNSET
    obfuscation: str | Unset = UNSET


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A model of the catalog. `created` is in seconds since 1970."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelList:
    """Answer of models."""

    object: Literal["list"] = "list"
    data: list[Model]
