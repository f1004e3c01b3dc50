"""A rendered prompt in pieces, so that control tokens stay apart from text that merely looks like them."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a rendered prompt.

    Args:
        text: the exact text, never empty.
        control: True: one special token. False: ordinary text, whatever it looks like.
        sentence: ordinary text that a sentencepiece vocabulary encodes as a sentence of its own.
        optional: a special token that is ordinary text for vocabularies without it.
    """

    text: str
    control: bool
    sentence: bool = False
    optional: bool = False


def control(text: str) -> Piece:
    """The special token spelled `text`."""
    return Piece(text, control=True)


def optional(text: str) -> Piece:
    """The same, which not every model of the format has."""
    return Piece(text, control=True, optional=True)


def words(text: str) -> list[Piece]:
    """Ordinary text as a piece, none if it is empty."""
    return [Piece(text, control=False)] if text else []


def sentence(text: str) -> list[Piece]:
    """Ordinary text that is a sentence of its own as a piece, none if it is empty."""
    return [Piece(text, control=False, sentence=True)] if text else []


def joined(pieces: Iterable[Piece]) -> list[Piece]:
    """The same prompt with neighbouring texts as one piece, since they are tokenised as one."""
    whole: list[Piece] = []
    for piece in pieces:
        if whole and not piece.control and not whole[-1].control:
            whole[-1] = Piece(whole[-1].text + piece.text, control=False, sentence=whole[-1].sentence)
        else:
            whole.append(piece)
    return whole
