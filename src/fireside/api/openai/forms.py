"""How answers are written for OpenAI's clients, whole and as streams. One object for each answer."""

import time
from collections.abc import Mapping, Sequence
from uuid import uuid4

from msgspec import UNSET, UnsetType
from starlette.responses import Response

from fireside.api.envelope import JsonResponse
from fireside.api.openai.errors import error_frame
from fireside.api.openai.objects import (
    AssistantMessage,
    Call,
    ChatChoice,
    ChatCompletion,
    ChatCompletionChunk,
    ChatPart,
    ChunkChoice,
    Completion,
    CompletionChoice,
)
from fireside.api.sse import frame, padding
from fireside.api.tools import CalledFunction
from fireside.api.usage import TokenUsage, usage_object
from fireside.prompting.messages import ToolCall
from fireside.serving.types import Delta


class _Form:
    """What both have in common.

    Args:
        model: as the client wrote it.
        include_usage: end the stream with a frame of usage.
        padded: pad frames to random lengths.
    """

    prefix: str

    def __init__(self, model: str, *, include_usage: bool, padded: bool) -> None:
        self._id = f"{self.prefix}-{uuid4().hex}"
        self._created = int(time.time())
        self._model = model
        self._padded = padded
        self._include_usage = include_usage
        self._no_usage: UnsetType | None = None if include_usage else UNSET

    def error(self, error: BaseException) -> bytes:
        """See `Frames.error`."""
        return frame(error_frame(error))

    def _obfuscation(self) -> str | UnsetType:
        return padding() if self._padded else UNSET


class ChatForm(_Form):
    """Answers of chat/completions. Implements `fireside.api.generation.Form`.

    Args:
        one_call: of several calls at once only the first is told (parallel_tool_calls: false).
    """

    prefix = "chatcmpl"

    def __init__(self, model: str, *, include_usage: bool, padded: bool, one_call: bool) -> None:
        super().__init__(model, include_usage=include_usage, padded=padded)
        self._most_calls = 1 if one_call else None
        self._begun = False
        self._calls = 0

    def whole(self, delta: Delta, headers: Mapping[str, str]) -> Response:
        """See `Form.whole`."""
        assert delta.finish_reason is not None
        calls = [_call(call) for call in delta.tool_calls[: self._most_calls]]
        text = None if calls and not delta.text else delta.text
        message = AssistantMessage(content=text, tool_calls=calls or UNSET)
        body = ChatCompletion(
            id=self._id,
            created=self._created,
            model=self._model,
            choices=[ChatChoice(message=message, finish_reason=delta.finish_reason)],
            usage=usage_object(delta.usage),
        )
        return JsonResponse(body, headers=headers)

    def piece(self, delta: Delta) -> bytes:
        """See `Frames.piece`."""
        calls = self._numbered(delta.tool_calls)
        if not (delta.text or calls):
            return b""
        return self._start() + self._chunk(ChunkChoice(delta=self._part(delta.text, calls)))

    def end(self, delta: Delta) -> bytes:
        """See `Frames.end`."""
        part = self._part(delta.text, self._numbered(delta.tool_calls))
        last = self._start() + self._chunk(ChunkChoice(delta=part, finish_reason=delta.finish_reason))
        return last + self._chunk(None, usage_object(delta.usage)) if self._include_usage else last

    def _start(self) -> bytes:
        if self._begun:
            return b""
        self._begun = True
        return self._chunk(ChunkChoice(delta=ChatPart(role="assistant", content="")))

    def _numbered(self, calls: Sequence[ToolCall]) -> list[Call]:
        room = None if self._most_calls is None else max(0, self._most_calls - self._calls)
        numbered = [_call(call, self._calls + place) for place, call in enumerate(calls[:room])]
        self._calls += len(numbered)
        return numbered

    @staticmethod
    def _part(text: str, calls: list[Call]) -> ChatPart:
        return ChatPart(content=text or UNSET, tool_calls=calls or UNSET)

    def _chunk(self, choice: ChunkChoice | None, usage: TokenUsage | None = None) -> bytes:
        choices = [] if choice is None else [choice]
        shown = self._no_usage if usage is None else usage
        chunk = ChatCompletionChunk(
            id=self._id,
            created=self._created,
            model=self._model,
            choices=choices,
            usage=shown,
            obfuscation=self._obfuscation(),
        )
        return frame(chunk)


class CompletionForm(_Form):
    """Answers of completions. Implements `fireside.api.generation.Form`."""

    prefix = "cmpl"

    def whole(self, delta: Delta, headers: Mapping[str, str]) -> Response:
        """See `Form.whole`."""
        choice = CompletionChoice(text=delta.text, finish_reason=delta.finish_reason)
        return JsonResponse(self._object(choice, usage_object(delta.usage)), headers=headers)

    def piece(self, delta: Delta) -> bytes:
        """See `Frames.piece`."""
        return self._chunk(CompletionChoice(text=delta.text)) if delta.text else b""

    def end(self, delta: Delta) -> bytes:
        """See `Frames.end`."""
        last = self._chunk(CompletionChoice(text=delta.text, finish_reason=delta.finish_reason))
        return last + self._chunk(None, usage_object(delta.usage)) if self._include_usage else last

    def _chunk(self, choice: CompletionChoice | None, usage: TokenUsage | None = None) -> bytes:
        return frame(self._object(choice, self._no_usage if usage is None else usage, self._obfuscation()))

    def _object(
        self,
        choice: CompletionChoice | None,
        usage: TokenUsage | UnsetType | None,
        obfuscation: str | UnsetType = UNSET,
    ) -> Completion:
        return Completion(
            id=self._id,
            created=self._created,
            model=self._model,
            choices=[] if choice is None else [choice],
            usage=usage,
            obfuscation=obfuscation,
        )


def _call(call: ToolCall, index: int | UnsetType = UNSET) -> Call:
    return Call(index=index, id=call.id, function=CalledFunction(call.name, call.arguments))
