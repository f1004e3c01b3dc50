"""From an engine's tokens to the pieces of an answer."""

from fireside.engine.types import Token
from fireside.prompting import Detokenizer, Vocabulary
from fireside.prompting.messages import ToolCall
from fireside.serving.calls import CallReader, check_numbers
from fireside.serving.stops import StopTexts
from fireside.serving.types import Delta, FinishReason, JsonForm, TextRequest


class AnswerReader:
    """Reads one answer. A form, or a call of a tool, says itself where it ends: there stop texts do not count."""

    def __init__(self, request: TextRequest, tokenizer: Vocabulary) -> None:
        self._detokenizer = Detokenizer(tokenizer, strip_leading_space=not request.goes_on)
        self._calls = CallReader() if request.offered_tools else None
        self._stops = StopTexts(() if request.form else request.stop)
        self._json: list[str] | None = [] if isinstance(request.form, JsonForm) else None

    def push(self, token: Token) -> Delta:
        """The piece that is certain with this token; perhaps an empty one. After one that has a `finish_reason` no
        token is wanted. Raises FormNotMet."""
        finish: FinishReason | None = token.finish_reason
        text = "" if finish == "stop" else self._detokenizer.push(token.id)
        if finish:
            text += self._detokenizer.finish()
        calls: tuple[ToolCall, ...] = ()
        if self._calls is not None:
            text, calls = self._calls.push(text)
            text += self._calls.finish() if finish else ""
        text = self._stops.push(text)
        if self._stops.found:
            finish = "stop"
        elif finish:
            text += self._stops.finish()
        if self._json is not None:
            self._json.append(text)
            if finish:
                check_numbers("".join(self._json))
        if self._calls is not None and self._calls.made and (finish or self._calls.repeats):
            finish = "tool_calls"
        return Delta(text, finish, tool_calls=calls)

    @property
    def has_calls(self) -> bool:
        """Whether a whole call has come."""
        return self._calls is not None and bool(self._calls.made)
