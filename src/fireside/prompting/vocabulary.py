"""The interface of a tokenizer."""

from collections.abc import Collection
from typing import Literal, Protocol

from fireside.chat.templates.source import CheckpointTemplate

Lead = Literal["start", "inner", "sentence"]
"""A text's position, which decides whether a sentencepiece vocabulary marks its first word with "▁".

"start": the prompt begins with it. "inner": it follows a control token. For both, the tokenizer's own file decides.
"sentence": it is a separate sentence and always gets the mark, as in `mistral_common`'s encoding of turns.
"""


class Vocabulary(Protocol):
    """Text to ids and ids to bytes. Thread-safe."""

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
        """Ids of the tokens that end a text, according to the model's own files."""
        ...

    @property
    def add_bos(self) -> bool:
        """Whether prompts begin with `bos_id`. Always False without one."""
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
        """Whether characters outside the vocabulary are encoded as single-byte tokens (sentencepiece)."""
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
        """The maximum number of bytes of text that a token stands for; None if there is no bound."""
        ...

    def encode(self, text: str, *, control: bool, lead: Lead = "start") -> list[int]:
        """Token ids of `text`, without BOS or EOS.

        With `control`, special tokens in the text are recognised, and the tokenizer ignores `lead`. Without it, no text
        becomes a special token.
        """
        ...

    def special_id(self, text: str) -> int | None:
        """Id of the special or added token spelled `text`, or None."""
        ...

    def token_bytes(self, token_id: int) -> bytes:
        """The token's UTF-8 bytes, possibly part of a character; empty for special and unknown ids."""
        ...

    def spelling(self, token_id: int) -> bytes:
        """The token's UTF-8 bytes; for special tokens, their text."""
        ...
