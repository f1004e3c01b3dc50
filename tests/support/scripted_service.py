"""A `TextService` that plays a part: each request gets the next turn of a script, whatever it asks."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field

from fireside.chat.messages import ToolCall
from fireside.serving.types import Delta, FinishReason, TextRequest, Usage
from support.echo_service import EchoService


def says(text: str, finish_reason: FinishReason = "stop") -> list[Delta]:
    """A turn that answers, word by word."""
    words = text.split(" ")
    return [Delta(word if place == 0 else f" {word}") for place, word in enumerate(words)] + [Delta("", finish_reason)]


def calls(*made: tuple[str, str], text: str = "") -> list[Delta]:
    """A turn that calls, each call a name and the text of its arguments."""
    deltas = [
        Delta("", tool_calls=(ToolCall(f"call_{name}_{place}", name, given),))
        for place, (name, given) in enumerate(made)
    ]
    return [*([Delta(text)] if text else []), *deltas, Delta("", "tool_calls")]


@dataclass
class ScriptedService(EchoService):
    """Plays one turn per request: 10 tokens of prompt and 3 of answer for the first, twice that for the second, …

    A turn may end with an exception instead of a last piece.
    """

    script: Sequence[Sequence[Delta | BaseException]] = field(default=(), kw_only=True)

    async def generate(self, request: TextRequest) -> AsyncGenerator[Delta, None]:
        turn = self.script[len(self.requests)]
        self.requests.append(request)
        self.running += 1
        number = len(self.requests)
        try:
            for delta in turn:
                if isinstance(delta, BaseException):
                    raise delta
                request.usage.prompt_tokens, request.usage.completion_tokens = 10 * number, 3 * number
                if delta.finish_reason:
                    yield Delta(delta.text, delta.finish_reason, Usage(10 * number, 3 * number))
                else:
                    yield delta
        finally:
            self.running -= 1
