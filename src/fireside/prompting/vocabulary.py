"""What prompting asks of a tokenizer, whichever it is."""

from collections.abc import Collection
from typing import Literal, Protocol

from fireside.chat.templates.source import CheckpointTemplate

Lead = Literal["start", "inner", "sentence"]
"""Where a text stands, which decides whether a sentencepiece vocabulary marks its first word with "▁".

"start": the prompt begins with it. "inner": it follows a control token. For both, the tokenizer's own file says what
happens. "sentence": it is a sentence of its own and always gets the mark, as `mistral_common` encodes turns.
"""


class Vocabulary(Protocol):
    """Text to ids and ids to bytes. Safe to call from many threads at once."""

    @property
    def bos_id(self) -> int | None:
        """Id of the token that begins a text, or None."""
        ...

    @property
    def bos_token(self) -> str | None:
        """Text of the token that begins a text, or None."""
        ...

    @property
    def end_ids(self) -> frozenset[int]:
        """Ids of the tokens that end a text, by the model's own files."""
        ...

    @property
    def add_bos(self) -> bool:
        """Whether prompts begin with `bos_id`. True only when there is one."""
        ...

    @property
    def vocab_size(self) -> int:
        """One more than the highest id."""
        ...

    @property
    def strips_leading_space(self) -> bool:
        """Whether decoding a whole text drops the space that encoding put before it (sentencepiece)."""
        ...

    @property
    def byte_fallback(self) -> bool:
        """Whether characters outside the vocabulary are spelled in tokens of one byte (sentencepiece)."""
        ...

    @property
    def added_tokens(self) -> Collection[str]:
        """Texts of the special and added tokens."""
        ...

    @property
    def chat_template(self) -> CheckpointTemplate | None:
        """The checkpoint's own chat template, if its files have one."""
        ...

    @property
    def longest_token(self) -> int | None:
        """Most bytes of text that a token stands for; None where there is no such bound."""
        ...

    def encode(self, text: str, *, control: bool, lead: Lead = "start") -> list[int]:
        """Token ids of `text`, without BOS or EOS.

        With `control` the special tokens in it count as such (`lead` is then the tokenizer's own business); without,
        no text whatever becomes a special token.
        """
        ...

    def special_id(self, text: str) -> int | None:
        """Id of the special or added token spelled `text`, or None."""
        ...

    def token_bytes(self, token_id: int) -> bytes:
        """UTF-8 bytes, perhaps part of a character, that the token stands for; empty for special and unknown ids."""
        ...

    def spelling(self, token_id: int) -> bytes:
        """The same, but special tokens as they are spelled."""
        ...
