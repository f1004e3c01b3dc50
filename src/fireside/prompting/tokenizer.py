"""A model's tokenizer: text to ids, where text can never become a control token, and ids to bytes."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Self

import msgspec
from tokenizers import Tokenizer as LibraryTokenizer

from fireside.chat.templates.source import CheckpointTemplate, template_of_folder, template_of_gguf
from fireside.errors import BadWeights
from fireside.prompting.ends import ends_of_folder, ends_of_gguf, token_text
from fireside.prompting.gguf_tokenizer import begins_with_bos, from_gguf_metadata
from fireside.prompting.tokenizer_json import MARK, TokenizerParts, parse_tokenizer
from fireside.prompting.vocabulary import Lead
from fireside.weights.json_file import read_json, read_json_object

MAX_TOKENIZER_BYTES = 128 * 1024 * 1024
_MAX_CONFIG_BYTES = 8 * 1024 * 1024
_NAMED = {"bos_token": "bos", "eos_token": "eos", "unk_token": "unknown", "pad_token": "padding"}
"""transformers' names of special tokens, and GGUF's."""

_PROBE = "a \U0010fffd"
"""A common and an uncommon character: encoding them reveals a missing unknown token before a request does."""


class Tokenizer:
    """A BPE tokenizer: two instances of the `tokenizers` library's, both unchanged after loading.

    One knows the special tokens and encodes raw prompts. The other encodes chat texts and has no special tokens among
    its added tokens, vocabulary or merges, so no text can become one. (The library's switch for this,
    `encode_special_tokens`, is state shared between threads, and overlooks added tokens that are not marked special.)

    Args:
        parts: the tokenizer's file, parsed.
        name: the file, for messages.
        bos_token: text of the token that begins a text, or None.
        ends: tokens that end a text, by id or text; those missing from the vocabulary are ignored.
        add_bos: whether prompts begin with `bos_token`; None follows the file's own post-processor.
        chat_template: the checkpoint's own.

    Raises BadWeights if the library cannot read the file.
    """

    def __init__(
        self,
        parts: TokenizerParts,
        name: str,
        bos_token: str | None,
        ends: Iterable[int | str],
        add_bos: bool | None,
        chat_template: CheckpointTemplate | None = None,
    ) -> None:
        try:
            self._full = LibraryTokenizer.from_str(msgspec.json.encode(parts.full).decode())
            self._bare = LibraryTokenizer.from_str(msgspec.json.encode(parts.bare).decode())
            automatic = self._full.encode("").ids
            self._bare.encode(_PROBE)
        except BaseException as error:  # nothing more precise is raised, and panics are not an Exception
            if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
                raise
            raise BadWeights(f"{name} is not a valid tokenizer file ({error}). Fetch it again.") from error
        for token, token_id in parts.added.items():
            # The library ignores the file's id for a token that is not in the vocabulary, and makes one up.
            if (found := self._full.token_to_id(token)) != token_id:
                raise BadWeights(
                    f"{name} is corrupt: the added token {token!r} has the id {token_id}, but {found} in the "
                    "vocabulary. Fetch it again."
                )
        self._parts = parts
        self.added_tokens = tuple(parts.added)
        self.chat_template = chat_template
        self._bytes = {token_id: _bytes_of(token, parts) for token_id, token in parts.vocab.items()}
        self._bytes.update(dict.fromkeys(parts.special, b""))
        self.bos_token = bos_token if bos_token is not None else parts.vocab.get(automatic[0]) if automatic else None
        self.bos_id = self.special_id(self.bos_token)
        named = (self.special_id(end) if isinstance(end, str) else end for end in ends)
        self.end_ids = frozenset(end for end in named if end in parts.vocab)
        wanted = self.bos_id is not None and automatic[:1] == [self.bos_id] if add_bos is None else add_bos
        self.add_bos = wanted and self.bos_id is not None
        self.vocab_size = max(parts.vocab) + 1
        self.strips_leading_space = parts.strips_leading_space
        self.byte_fallback = parts.byte_fallback
        self.longest_token = self._longest_token()

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """Read a tokenizer.json, and BOS and the tokens that end a text from the config files beside it, if any.

        Raises BadWeights (corrupt or oversized) or UnsupportedWeights (not BPE), naming the file.
        """
        data = read_json(path, MAX_TOKENIZER_BYTES)
        try:
            parts = parse_tokenizer(data, path.name)
        except RecursionError as error:
            raise BadWeights(f"{path.name} is corrupt: it is nested too deeply. Fetch it again.") from error
        config_path = path.with_name("tokenizer_config.json")
        config = read_json_object(config_path, _MAX_CONFIG_BYTES) if config_path.is_file() else {}
        add_bos = config.get("add_bos_token")
        return cls(
            parts,
            path.name,
            token_text(config.get("bos_token")),
            ends_of_folder(path.parent),
            add_bos if isinstance(add_bos, bool) else None,
            template_of_folder(path.parent, config, _named(config)),
        )

    @classmethod
    def from_gguf(cls, metadata: Mapping[str, object], name: str = "The GGUF file") -> Self:
        """The tokenizer in a GGUF file's metadata.

        Raises BadWeights, UnsupportedWeights; `name` is the file's, for messages.
        """
        parts = parse_tokenizer(from_gguf_metadata(metadata, name), name)
        bos = metadata.get("tokenizer.ggml.bos_token_id")
        return cls(
            parts,
            name,
            parts.vocab.get(bos) if isinstance(bos, int) else None,
            ends_of_gguf(metadata),
            begins_with_bos(metadata),
            template_of_gguf(metadata, _named_in_gguf(metadata, parts.vocab)),
        )

    def encode(self, text: str, *, control: bool, lead: Lead = "start") -> list[int]:
        """See `Vocabulary.encode`."""
        if not text:
            return []
        if control:
            return _encode(self._full, text)
        if lead == "sentence":
            marked = self._parts.sentencepiece
        else:
            rule = self._parts.start_prefix if lead == "start" else self._parts.inner_prefix
            marked = rule == "always" or (rule == "unless-spaced" and text[0] not in (" ", MARK))
        return _encode(self._bare, " " + text if marked else text)

    def _longest_token(self) -> int | None:
        spelled = set(self._bytes.values())
        if self._parts.shrinks or not all(bytes([byte]) in spelled for byte in range(256)):
            return None  # one token may stand for any stretch of text
        return max(map(len, [*spelled, *(token.encode() for token in self._parts.added)]))

    def special_id(self, text: str | None) -> int | None:
        """Id of the special or added token spelled `text`, or None."""
        return None if text is None else self._parts.added.get(text)

    def token_bytes(self, token_id: int) -> bytes:
        """The token's UTF-8 bytes, possibly part of a character; empty for special and unknown ids."""
        return self._bytes.get(token_id, b"")

    def spelling(self, token_id: int) -> bytes:
        """See `Vocabulary.spelling`."""
        if token_id in self._parts.special:
            return self._parts.vocab[token_id].encode()
        return self.token_bytes(token_id)


def _named(config: Mapping[str, object]) -> dict[str, str]:
    """The special tokens that templates may use, by transformers' names."""
    texts = {name: token_text(config.get(name)) for name in _NAMED}
    return {name: text for name, text in texts.items() if text is not None}


def _named_in_gguf(metadata: Mapping[str, object], vocab: Mapping[int, str]) -> dict[str, str]:
    ids = {name: metadata.get(f"tokenizer.ggml.{key}_token_id") for name, key in _NAMED.items()}
    return {name: vocab[token] for name, token in ids.items() if isinstance(token, int) and token in vocab}


def _encode(tokenizer: LibraryTokenizer, text: str) -> list[int]:
    # As a batch: `encode` holds the GIL, which would block every other thread.
    [encoding] = tokenizer.encode_batch_fast([text], add_special_tokens=False)
    return list(encoding.ids)


def _byte_alphabet() -> dict[str, int]:
    """The inverse of GPT-2's map from bytes to printable characters (openai/gpt-2, encoder.py)."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + i): byte for i, byte in enumerate(others)}


_BYTE_OF = _byte_alphabet()


def _bytes_of(token: str, parts: TokenizerParts) -> bytes:
    if parts.sentencepiece:
        if parts.byte_fallback and len(token) == 6 and token.startswith("<0x") and token.endswith(">"):
            try:
                return bytes([int(token[3:5], 16)])
            except ValueError:
                pass
        return token.replace(MARK, " ").encode()
    try:
        return bytes([_BYTE_OF[character] for character in token])
    except KeyError:  # an added token outside the alphabet stands for itself
        return token.encode()
