"""What OpenAI's clients get: the objects of its API reference."""

from typing import Literal

from msgspec import UNSET, Struct, UnsetType

from fireside.api.tools import CalledFunction
from fireside.api.usage import TokenUsage
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


class ChatChoice(Struct, frozen=True, kw_only=True):
    """The one answer."""

    index: Literal[0] = 0
    message: AssistantMessage
    logprobs: None = None
    finish_reason: FinishReason


class ChatCompletion(Struct, frozen=True, kw_only=True):
    """Answer of chat/completions. `created` is in seconds since 1970."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    choices: list[ChatChoice]
    usage: TokenUsage


class ChatPart(Struct, frozen=True):
    """What is new in a piece of the answer."""

    role: Literal["assistant"] | UnsetType = UNSET
    content: str | UnsetType = UNSET
    tool_calls: list[Call] | UnsetType = UNSET


class ChunkChoice(Struct, frozen=True, kw_only=True):
    """A piece of the one answer. The last one has a finish_reason."""

    index: Literal[0] = 0
    delta: ChatPart
    logprobs: None = None
    finish_reason: FinishReason | None = None


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
    obfuscation: str | UnsetType = UNSET


class CompletionChoice(Struct, frozen=True, kw_only=True):
    """The one answer, or in a stream a piece of it; only the last piece has a finish_reason."""

    index: Literal[0] = 0
    text: str
    logprobs: None = None
    finish_reason: FinishReason | None = None


class Completion(Struct, frozen=True, kw_only=True):
    """Answer of completions, and a frame of its stream."""

    id: str
    object: Literal["text_completion"] = "text_completion"
    created: int
    model: str
    choices: list[CompletionChoice]
    usage: TokenUsage | UnsetType | None = UNSET
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
