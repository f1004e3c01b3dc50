"""A tokenizer without files, for the echo model: one token per byte."""

from fireside.chat.templates.source import CheckpointTemplate
from fireside.prompting.vocabulary import Lead


class ByteTokenizer:
    """Ids 0 to 255 are the bytes of UTF-8 text, 256 is BOS (never added by itself), 257 is EOS."""

    bos_id = 256
    bos_token: str | None = "<s>"  # noqa: S105 - not a password
    end_ids = frozenset({257})
    add_bos = False
    vocab_size = 258
    strips_leading_space = False
    byte_fallback = False
    longest_token: int | None = 1
    added_tokens = ("<s>", "</s>")
    chat_template: CheckpointTemplate | None = None

    def encode(self, text: str, *, control: bool, lead: Lead = "start") -> list[int]:
        """The text's bytes. There are no special tokens to find, so `control` and `lead` make no difference."""
        return list(text.encode())

    def special_id(self, text: str) -> int | None:
        """Id of "<s>" or "</s>", or None for other texts."""
        return {"<s>": 256, "</s>": 257}.get(text)

    def token_bytes(self, token_id: int) -> bytes:
        """The one byte; empty for BOS, EOS and unknown ids."""
        return bytes([token_id]) if 0 <= token_id < 256 else b""

    def spelling(self, token_id: int) -> bytes:
        """The one byte, or the name of BOS or EOS."""
        return {256: b"<s>", 257: b"</s>"}.get(token_id) or self.token_bytes(token_id)
