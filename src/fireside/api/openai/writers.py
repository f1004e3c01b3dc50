"""How answers are written for OpenAI's clients, whole and as streams. One object for each answer."""

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal
from uuid import uuid4

from starlette.responses import Response

from fireside.api.http.envelope import JsonResponse
from fireside.api.http.sse import frame, padding
from fireside.api.openai.error_body import error_frame
from fireside.api.openai.fields import ChatInput, CompletionInput
from fireside.api.openai.logprobs import chat_logprobs, chat_name, id_name, text_logprobs, text_name
from fireside.api.openai.objects import (
    AssistantMessage,
    Call,
    ChatChoice,
    ChatCompletion,
    ChatCompletionChunk,
    ChatLogprobs,
    ChatPart,
    ChunkChoice,
    Completion,
    CompletionChoice,
    TextLogprobs,
)
from fireside.api.schema.run_output import CalledFunction, TokenUsage, usage_object
from fireside.api.unset import UNSET, Unset
from fireside.chat.messages import ToolCall
from fireside.serving.tokens import ScoredToken, TokenReport
from fireside.serving.types import Delta

_NOTHING = TokenReport()


class _Writer:
    """What both have in common.

    Args:
        parsed: what was asked.
        padded: pad frames to random lengths, unless the request says.
    """

    prefix: str

    def __init__(self, parsed: ChatInput | CompletionInput, *, padded: bool) -> None:
        options = parsed.stream_options
        self._id = f"{self.prefix}-{parsed.request_id or uuid4().hex}"
        self._created = int(time.time())
        self._model = parsed.model
        self._padded = padded if options.include_obfuscation is None else options.include_obfuscation
        self._include_usage = options.include_usage
        self._no_usage: Unset | None = None if options.include_usage else UNSET
        self._tier: Literal["default"] | Unset = "default" if parsed.service_tier else UNSET
        self._with_ids = parsed.return_token_ids

    def error(self, error: BaseException) -> bytes:
        """See `Frames.error`."""
        return frame(error_frame(error))

    def _obfuscation(self) -> str | Unset:
        return padding() if self._padded else UNSET

    def _token_ids(self, report: TokenReport) -> list[int] | Unset:
        return list(report.ids) if self._with_ids else UNSET

    def _prompt_ids(self, report: TokenReport) -> list[int] | Unset:
        return list(report.prompt.ids) if self._with_ids and report.prompt else UNSET


@dataclass(slots=True)
class _Streamed:
    """How far a choice has come in a stream."""

    begun: bool = False
    calls: int = 0


class ChatWriter(_Writer):
    """Answers of chat/completions. Implements `fireside.api.generation.AnswerWriter`."""

    prefix = "chatcmpl"

    def __init__(self, parsed: ChatInput, *, padded: bool) -> None:
        super().__init__(parsed, padded=padded)
        # Of several calls at once only the first is told.
        self._most_calls = None if parsed.parallel_tool_calls else 1
        self._with_logprobs = parsed.logprobs
        self._name = id_name if parsed.return_tokens_as_token_ids else chat_name
        self._streamed: defaultdict[int, _Streamed] = defaultdict(_Streamed)

    def whole(self, answers: Sequence[Delta], headers: Mapping[str, str]) -> Response:
        """See `AnswerWriter.whole`."""
        body = ChatCompletion(
            id=self._id,
            created=self._created,
            model=self._model,
            choices=[self._choice(answer) for answer in answers],
            usage=usage_object(answers[0].usage),
            service_tier=self._tier,
            prompt_token_ids=self._prompt_ids(answers[0].tokens or _NOTHING),
        )
        return JsonResponse(body, headers=headers)

    def piece(self, delta: Delta) -> bytes:
        """See `Frames.piece`."""
        streamed, report = self._streamed[delta.choice], delta.tokens or _NOTHING
        calls = self._numbered(delta.tool_calls, streamed) if delta.tool_calls else []
        if not (delta.text or calls or delta.finish_reason or delta.tokens):
            return b""
        beginning = b""
        if not streamed.begun:
            streamed.begun = True
            first = ChunkChoice(index=delta.choice, delta=ChatPart(role="assistant", content=""))
            beginning = self._chunk(first, prompt_ids=self._prompt_ids(report))
        part = ChatPart(content=delta.text or UNSET, tool_calls=calls or UNSET)
        return beginning + self._chunk(
            ChunkChoice(
                index=delta.choice,
                delta=part,
                logprobs=self._logprobs(report.scored) if report.scored else None,
                finish_reason=delta.finish_reason,
                token_ids=self._token_ids(report),
            )
        )

    def end(self, delta: Delta) -> bytes:
        """See `Frames.end`."""
        last = self.piece(delta)
        return last + self._chunk(None, usage_object(delta.usage)) if self._include_usage else last

    def _choice(self, answer: Delta) -> ChatChoice:
        assert answer.finish_reason is not None
        report = answer.tokens or _NOTHING
        calls = [_call(call) for call in answer.tool_calls[: self._most_calls]]
        text = None if calls and not answer.text else answer.text
        return ChatChoice(
            index=answer.choice,
            message=AssistantMessage(content=text, tool_calls=calls or UNSET),
            logprobs=self._logprobs(report.scored) if self._with_logprobs else None,
            finish_reason=answer.finish_reason,
            token_ids=self._token_ids(report),
        )

    def _logprobs(self, scored: Sequence[ScoredToken]) -> ChatLogprobs:
        return chat_logprobs(scored, self._name)

    def _numbered(self, calls: Sequence[ToolCall], streamed: _Streamed) -> list[Call]:
        room = None if self._most_calls is None else max(0, self._most_calls - streamed.calls)
        numbered = [_call(call, streamed.calls + place) for place, call in enumerate(calls[:room])]
        streamed.calls += len(numbered)
        return numbered

    def _chunk(
        self,
        choice: ChunkChoice | None,
        usage: TokenUsage | None = None,
        prompt_ids: list[int] | Unset = UNSET,
    ) -> bytes:
        chunk = ChatCompletionChunk(
            id=self._id,
            created=self._created,
            model=self._model,
            choices=[] if choice is None else [choice],
            usage=self._no_usage if usage is None else usage,
            service_tier=self._tier,
            prompt_token_ids=prompt_ids,
            obfuscation=self._obfuscation(),
        )
        return frame(chunk)


class CompletionWriter(_Writer):
    """Answers of completions. Implements `fireside.api.generation.AnswerWriter`."""

    prefix = "cmpl"

    def __init__(self, parsed: CompletionInput, *, padded: bool) -> None:
        super().__init__(parsed, padded=padded)
        self._n, self._each = parsed.n, parsed.each
        self._with_logprobs = parsed.logprobs is not None
        self._name = id_name if parsed.return_tokens_as_token_ids else text_name
        self._echoed: defaultdict[int, int] = defaultdict(int)

    def whole(self, answers: Sequence[Delta], headers: Mapping[str, str]) -> Response:
        """See `AnswerWriter.whole`."""
        usage = usage_object(answers[0].usage)
        choices = [self._choice(replace(answer, choice=index)) for index, answer in enumerate(self._best(answers))]
        return JsonResponse(self._object(choices, usage), headers=headers)

    def piece(self, delta: Delta) -> bytes:
        """See `Frames.piece`."""
        if not (delta.text or delta.finish_reason or delta.tokens):
            return b""
        return frame(self._object([self._choice(delta)], self._no_usage, self._obfuscation()))

    def end(self, delta: Delta) -> bytes:
        """See `Frames.end`."""
        last = self.piece(delta)
        if not self._include_usage:
            return last
        return last + frame(self._object([], usage_object(delta.usage), self._obfuscation()))

    def _best(self, answers: Sequence[Delta]) -> Iterator[Delta]:
        """Of each prompt the n likeliest answers, best first; all in their order where there are no more."""
        for start in range(0, len(answers), self._each):
            ones = answers[start : start + self._each]
            yield from ones if self._each == self._n else sorted(ones, key=_likelihood, reverse=True)[: self._n]

    def _choice(self, delta: Delta) -> CompletionChoice:
        report = delta.tokens or _NOTHING
        text = delta.text
        scored: list[tuple[int, ScoredToken]] = []
        if report.prompt is not None:
            text = report.prompt.text + text
            self._echoed[delta.choice] = len(report.prompt.text)
            scored = [(0, token) for token in report.prompt.scored]
        scored += [(self._echoed[delta.choice], token) for token in report.scored]
        return CompletionChoice(
            index=delta.choice,
            text=text,
            logprobs=self._logprobs(scored) if self._with_logprobs else None,
            finish_reason=delta.finish_reason,
            token_ids=self._token_ids(report),
            prompt_token_ids=self._prompt_ids(report),
        )

    def _logprobs(self, scored: Sequence[tuple[int, ScoredToken]]) -> TextLogprobs:
        return text_logprobs(scored, self._name)

    def _object(
        self,
        choices: list[CompletionChoice],
        usage: TokenUsage | Unset | None,
        obfuscation: str | Unset = UNSET,
    ) -> Completion:
        return Completion(
            id=self._id,
            created=self._created,
            model=self._model,
            choices=choices,
            usage=usage,
            service_tier=self._tier,
            obfuscation=obfuscation,
        )


def _likelihood(answer: Delta) -> float:
    """Mean logprob of the answer's tokens."""
    scores = [token.logprob or 0.0 for token in (answer.tokens or _NOTHING).scored]
    return sum(scores) / len(scores) if scores else float("-inf")


def _call(call: ToolCall, index: int | Unset = UNSET) -> Call:
    return Call(index=index, id=call.id, function=CalledFunction(call.name, call.arguments))
