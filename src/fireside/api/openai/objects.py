"""What OpenAI's clients get: the objects of its API reference."""

from typing import Literal

from msgspec import UNSET, Struct, UnsetType

from fireside.api.generation import TokenUsage
from fireside.serving.types import FinishReason


class CalledFunction(Struct, frozen=True):
    """`arguments` is the text of a JSON object."""

    name: str
    arguments: str


class Call(Struct, frozen=True):
    """A call that the model makes. In a stream it comes whole, and with its place among the calls."""

    id: str
    function: CalledFunction
    type: Literal["function"] = "function"
    index: int | UnsetType = UNSET


class AssistantMessage(Struct, frozen=True):
    """What the model says. `content` is null when it only calls tools."""

    content: str | None
    role: Literal["assistant"] = "assistant"
    refusal: None = None
    tool_calls: list[Call] | UnsetType = UNSET


class ChatChoice(Struct, frozen=True):
    """The one answer."""

    message: AssistantMessage
    finish_reason: FinishReason
    index: Literal[0] = 0
    logprobs: None = None


class ChatCompletion(Struct, frozen=True):
    """Answer of chat/completions. `created` is in seconds since 1970."""

    id: str
    created: int
    model: str
    choices: list[ChatChoice]
    usage: TokenUsage
    object: Literal["chat.completion"] = "chat.completion"


class ChatPart(Struct, frozen=True):
    """What is new in a piece of the answer."""

    role: Literal["assistant"] | UnsetType = UNSET
    content: str | UnsetType = UNSET
    tool_calls: list[Call] | UnsetType = UNSET


class ChunkChoice(Struct, frozen=True):
    """A piece of the one answer. The last one has a finish_reason."""

    delta: ChatPart
    finish_reason: FinishReason | None = None
    index: Literal[0] = 0
    logprobs: None = None


class ChatCompletionChunk(Struct, frozen=True):
    """A frame of a stream of chat/completions.

    Where include_usage was asked for, every frame has a usage: null, but for the last, which has no choices.
    """

    id: str
    created: int
    model: str
    choices: list[ChunkChoice]
    usage: TokenUsage | UnsetType | None = UNSET
    obfuscation: str | UnsetType = UNSET
    object: Literal["chat.completion.chunk"] = "chat.completion.chunk"


class CompletionChoice(Struct, frozen=True):
    """The one answer, or in a stream a piece of it; only the last piece has a finish_reason."""

    text: str
    finish_reason: FinishReason | None = None
    index: Literal[0] = 0
    logprobs: None = None


class Completion(Struct, frozen=True):
    """Answer of completions, and a frame of its stream."""

    id: str
    created: int
    model: str
    choices: list[CompletionChoice]
    usage: TokenUsage | UnsetType | None = UNSET
    obfuscation: str | UnsetType = UNSET
    object: Literal["text_completion"] = "text_completion"


class Model(Struct, frozen=True):
    """A model of the catalog. `created` is in seconds since 1970."""

    id: str
    created: int
    owned_by: str
    object: Literal["model"] = "model"


class ModelList(Struct, frozen=True):
    """Answer of models."""

    data: list[Model]
    object: Literal["list"] = "list"
