"""Token ids to text, one at a time, without broken characters."""

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

    The joined pieces equal the output of the tokenizer's own decoder (special tokens skipped) for all ids at once, with
    two exceptions. A character that is still incomplete at the end is dropped; that decoder writes U+FFFD. A partly
    invalid run of byte tokens in a sentencepiece vocabulary keeps its valid characters, which have been returned by
    then; that decoder writes U+FFFD for every byte of the run. Bytes that can never form a character become U+FFFD: one
    per byte for sentencepiece, one per broken sequence for byte-level BPE, as in those decoders.

    Args:
        tokenizer: the tokenizer of the ids.
        strip_leading_space: True for an answer that is a text of its own (scoped or unscoped prompt): one leading space
            is dropped if the tokenizer's decoder does so. False for raw continuations, which keep their first space.
        special: whether to write special tokens as text instead of skipping them.
        spelled: special tokens that are always written, with their UTF-8 text.
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
        """Add a token and return the text that it completes, which may be empty."""
        spelled = self._spelled.get(token_id)
        return self._stripped(self._decoder.decode(self._bytes_of(token_id) if spelled is None else spelled))

    def finish(self) -> str:
        """Return the rest of the text, which is always empty: an incomplete last character is dropped."""
        self._decoder.reset()
        return ""

    def _stripped(self, text: str) -> str:
        if not self._strip or not text:
            return text
        self._strip = False
        return text.removeprefix(" ")
