"""From an engine's tokens to the pieces of an answer."""

from fireside.chat.messages import ToolCall
from fireside.engine.types import Token
from fireside.prompting import ChatFormat, Detokenizer, Vocabulary, spelled_tokens
from fireside.serving.calls import CallReader, check_numbers
from fireside.serving.grammars import has_grammar
from fireside.serving.stops import StopTexts
from fireside.serving.thoughts import ThoughtFilter
from fireside.serving.tokens import AnswerScores, TokenReport
from fireside.serving.types import Delta, FinishReason, GrammarOutput, JsonOutput, TextRequest


class AnswerReader:
    """Reads one answer. A form, or a call of a tool, says itself where it ends: there stop texts do not count.

    Args:
        request: what was asked.
        tokenizer: the model's.
        chat: the model's chat format.
        thinks: whether the prompt has opened a thought.
    """

    def __init__(self, request: TextRequest, tokenizer: Vocabulary, chat: ChatFormat, *, thinks: bool = False) -> None:
        self._request = request
        has_thoughts = chat.thinking is not None and not request.raw and request.structured_output is None
        self._thoughts = ThoughtFilter(chat.thinking, begun=thinks) if chat.thinking and has_thoughts else None
        spelled = spelled_tokens(chat, tokenizer) if has_thoughts or has_grammar(request) else {}
        # A grammar of the client's own says itself with what the answer begins.
        keeps_space = request.goes_on or isinstance(request.structured_output, GrammarOutput)
        self._detokenizer = Detokenizer(
            tokenizer, strip_leading_space=not keeps_space, special=request.write_special, spelled=spelled
        )
        self._calls = (
            CallReader(chat.dialect, nothing_else=request.tool_choice != "auto") if request.offered_tools else None
        )
        self._stops = StopTexts(() if request.structured_output else request.stop, keep=request.keep_stop)
        self._json: list[str] | None = [] if isinstance(request.structured_output, JsonOutput) else None
        self._scores = None if request.scores is None else AnswerScores(tokenizer)
        self._unstoppable = request.sampling.min_tokens

    def push(self, token: Token) -> Delta:
        """The piece that is certain with this token; perhaps an empty one. After one that has a `finish_reason` no
        token is wanted. Raises ConstraintNotMet."""
        finish: FinishReason | None = token.finish_reason
        is_text = finish != "stop" or self._request.keep_stop
        said = self._detokenizer.push(token.id) if is_text else ""
        if finish:
            said += self._detokenizer.finish()
        thought = False
        if self._thoughts is not None:
            said = self._thoughts.push(said)
            thought = self._thoughts.active
            if finish:
                said += self._thoughts.finish()
        text, calls, is_cut = self._without_calls(said, finish)
        text = self._without_stops(text, finish)
        if self._stops.found:
            finish = "stop"
        if self._json is not None:
            self._json.append(text)
            if finish and not (finish == "length" and self._request.keep_cut):
                check_numbers("".join(self._json))
        if self._calls is not None and self._calls.made and not is_cut and (finish or self._calls.repeats):
            finish = "tool_calls"
        return Delta(text, finish, tool_calls=calls, tokens=self._report(token, said, text, thought))

    def _without_calls(self, text: str, finish: FinishReason | None) -> tuple[str, tuple[ToolCall, ...], bool]:
        """The text, the calls in it, and whether the answer ends in the middle of one."""
        if self._calls is None:
            return text, (), False
        text, calls = self._calls.push(text)
        if not finish:
            return text, calls, False
        is_cut = self._calls.calling and finish == "length"
        if is_cut and (call := self._calls.cut()) is not None:
            calls = (*calls, call)
        return text + self._calls.finish(), calls, is_cut

    def _without_stops(self, text: str, finish: FinishReason | None) -> str:
        if self._unstoppable > 0:
            self._unstoppable -= 1
            return text
        text = self._stops.push(text)
        return text + self._stops.finish() if finish and not self._stops.found else text

    def _report(self, token: Token, said: str, shown: str, thought: bool) -> TokenReport | None:
        if self._scores is None and not self._request.tell_ids:
            return None
        scored = self._scores.push(token, said, shown) if self._scores is not None and not thought else ()
        return TokenReport(scored, (token.id,) if self._request.tell_ids else ())

    @property
    def has_calls(self) -> bool:
        """Whether a whole call has come."""
        return self._calls is not None and bool(self._calls.made)
