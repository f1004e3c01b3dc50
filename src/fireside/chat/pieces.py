"""A rendered prompt in pieces, which keep control tokens apart from text that merely looks like them."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a rendered prompt.

    Args:
        text: the exact text, never empty.
        control: True: one special token. False: ordinary text, whatever it looks like.
        sentence: ordinary text that a sentencepiece vocabulary encodes as a separate sentence.
        optional: a special token that is ordinary text in vocabularies without it.
    """

    text: str
    control: bool
    sentence: bool = False
    optional: bool = False


def control(text: str) -> Piece:
    """The special token spelled `text`."""
    return Piece(text, control=True)


def optional(text: str) -> Piece:
    """The special token spelled `text`, which not every model of the format has."""
    return Piece(text, control=True, optional=True)


def words(text: str) -> list[Piece]:
    """Ordinary text as one piece; no piece if it is empty."""
    return [Piece(text, control=False)] if text else []


def sentence(text: str) -> list[Piece]:
    """Ordinary text that is a separate sentence, as one piece; no piece if it is empty."""
    return [Piece(text, control=False, sentence=True)] if text else []


def joined(pieces: Iterable[Piece]) -> list[Piece]:
    """The same prompt with adjacent text pieces merged, because they are tokenised together."""
    whole: list[Piece] = []
    for piece in pieces:
        if whole and not piece.control and not whole[-1].control:
            whole[-1] = Piece(whole[-1].text + piece.text, control=False, sentence=whole[-1].sentence)
        else:
            whole.append(piece)
    return whole
