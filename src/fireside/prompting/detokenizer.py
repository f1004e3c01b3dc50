"""Ids to text, one at a time, and never a broken character."""

import codecs
from collections.abc import Mapping

from fireside.prompting.vocabulary import Vocabulary

_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def _one_mark_per_byte(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)
    return _REPLACEMENT * (error.end - error.start), error.end


codecs.register_error("fireside.one-mark-per-byte", _one_mark_per_byte)


class Detokenizer:
    """Incremental decoder of one answer.

    The pieces joined are what the tokenizer's own decoder (special tokens skipped) makes of all ids at once, with two
    exceptions. A character that is still incomplete at the end is dropped, where that decoder writes U+FFFD. And a
    sentencepiece vocabulary's run of byte tokens that is partly invalid keeps its valid characters, which are out
    already, where that decoder writes U+FFFD for every byte of the run. Bytes that can never become a character give
    U+FFFD: one per byte for sentencepiece, one per broken sequence for byte-level BPE, as in those decoders.

    Args:
        tokenizer: whose ids these are.
        strip_leading_space: True for an answer that stands by itself (scoped or unscoped prompt): where the tokenizer's
            decoder does so, one leading space is dropped. False for raw continuations, whose first space counts.
        special: write special tokens out, rather than leave them away.
        spelled: tokens that are written out even so, and how.
    """

    def __init__(
        self,
        tokenizer: Vocabulary,
        strip_leading_space: bool,
        *,
        special: bool = False,
        spelled: Mapping[int, bytes] | None = None,
    ) -> None:
        self._bytes_of = tokenizer.spelling if special else tokenizer.token_bytes
        self._spelled = spelled or {}
        self._strip = strip_leading_space and tokenizer.strips_leading_space
        errors = "fireside.one-mark-per-byte" if tokenizer.byte_fallback else "replace"
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors)

    def push(self, token_id: int) -> str:
        """The text that is certain with this token; may be empty."""
        spelled = self._spelled.get(token_id)
        return self._stripped(self._decoder.decode(self._bytes_of(token_id) if spelled is None else spelled))

    def finish(self) -> str:
        """The rest of the text, which is always empty: an incomplete last character is dropped."""
        self._decoder.reset()
        return ""

    def _stripped(self, text: str) -> str:
        if not self._strip or not text:
            return text
        self._strip = False
        return text.removeprefix(" ")
