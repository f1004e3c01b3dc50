"""What an answer tells of its tokens, where that was asked for: ids, and how likely they were."""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from fireside.engine.types import Scores, Token, unpack_scores
from fireside.prompting import Detokenizer, Vocabulary


@dataclass(frozen=True, slots=True)
class Likely:
    """A token that could have come.

    Args:
        text: UTF-8 bytes, perhaps part of a character; special tokens as they are spelled.
        logprob: see `fireside.engine.types.Scores`.
    """

    id: int
    text: bytes
    logprob: float


@dataclass(frozen=True, slots=True)
class ScoredToken:
    """A token of a text, and how likely the model found it.

    Args:
        start: where its text begins, in characters of the whole text.
        logprob: None for the first token of a prompt, before which there is nothing.
        best: the likeliest, best first, as many as were asked for.
    """

    id: int
    text: bytes
    start: int
    logprob: float | None
    best: tuple[Likely, ...] = ()


@dataclass(frozen=True, slots=True)
class PromptReport:
    """The prompt, as the model read it. `text` and `scored` are empty where only ids were asked for."""

    ids: Sequence[int]
    text: str = ""
    scored: tuple[ScoredToken, ...] = ()


@dataclass(frozen=True, slots=True)
class TokenReport:
    """Of a piece of an answer.

    Args:
        scored: the tokens of which its text consists.
        ids: of all tokens that came since the piece before, those that ended the answer too.
        prompt: in the first piece.
    """

    scored: tuple[ScoredToken, ...] = ()
    ids: tuple[int, ...] = ()
    prompt: PromptReport | None = None

    @property
    def logprobs(self) -> int:
        """How many it tells."""
        prompt = () if self.prompt is None else self.prompt.scored
        return sum(1 + len(token.best) for token in (*prompt, *self.scored))


class AnswerScores:
    """Tells the scores of an answer's tokens, each when its text is shown: never those of a stop text or a call."""

    def __init__(self, tokenizer: Vocabulary) -> None:
        self._tokenizer = tokenizer
        self._held: deque[ScoredToken] = deque()
        self._said = self._shown = 0

    def push(self, token: Token, said: str, shown: str) -> tuple[ScoredToken, ...]:
        """The scores to tell with this token.

        Args:
            said: the text that the token made certain.
            shown: the text that is shown with it, which is that of earlier tokens too.
        """
        if token.scores is not None and token.finish_reason != "stop":
            self._held.append(_scored(self._tokenizer, token.id, self._said, token.scores))
        self._said += len(said)
        self._shown += len(shown)
        return tuple(self._ready(whole=token.finish_reason is not None and self._said == self._shown))

    def _ready(self, *, whole: bool) -> Iterable[ScoredToken]:
        """A token without text of its own (the first half of a character) goes with the next that has one."""
        while self._held and (whole or self._held[0].start < self._shown):
            yield self._held.popleft()


def prompt_report(tokenizer: Vocabulary, ids: Sequence[int], text: str | None, scores: bytes | None) -> PromptReport:
    """A prompt as it is echoed. CPU work: call it from a thread, not from the event loop.

    Args:
        text: as it was given; None where token ids were.
        scores: of its tokens but the first, packed; None where they were not asked for.
    """
    told = None if scores is None else unpack_scores(scores)
    detokenizer = Detokenizer(tokenizer, strip_leading_space=text is not None, special=True)
    # A beginning of text that the server added is not part of the text that was given.
    added = text is not None and ids[:1] == [tokenizer.bos_id] and not text.startswith(tokenizer.bos_token or "")
    scored: list[ScoredToken] = []
    written: list[str] = []
    length = 0
    for place, token in enumerate(ids):
        if told is not None:
            scored.append(_prompt_token(tokenizer, token, length, told[place - 1] if place else None))
        if place or not added:
            written.append(detokenizer.push(token))
            length += len(written[-1])
    return PromptReport(ids, "".join(written) if text is None else text, tuple(scored))


def _prompt_token(tokenizer: Vocabulary, token: int, start: int, scores: Scores | None) -> ScoredToken:
    if scores is None:
        return ScoredToken(token, tokenizer.spelling(token), start, None)
    return _scored(tokenizer, token, start, scores)


def _scored(tokenizer: Vocabulary, token: int, start: int, scores: Scores) -> ScoredToken:
    best = tuple(Likely(one, tokenizer.spelling(one), logprob) for one, logprob in scores.best)
    return ScoredToken(token, tokenizer.spelling(token), start, scores.logprob, best)
