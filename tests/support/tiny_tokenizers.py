"""The smallest sound tokenizer.json of each kind Fireside reads, for tests to break."""

from typing import Any

from bench.sentencepiece import tokenizer_json
from tokenizers.pre_tokenizers import ByteLevel

_FLAGS = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}


def tiny_byte_level() -> dict[str, Any]:
    """A token for each byte, "ab", and the special "<|end|>"."""
    component = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    tokens = [*sorted(ByteLevel.alphabet()), "ab", "<|end|>"]
    return {
        "version": "1.0",
        "added_tokens": _added(tokens, "<|end|>"),
        "normalizer": None,
        "pre_tokenizer": component,
        "post_processor": None,
        "decoder": component,
        "model": {"type": "BPE", "vocab": _ids(tokens), "merges": ["a b"]},
    }


def tiny_sentencepiece() -> dict[str, Any]:
    """Three specials, a token for each byte, and a few pieces over "▁", "a" and "b"; BOS goes first."""
    specials = ["<unk>", "<s>", "</s>"]
    tokens = [*specials, *(f"<0x{byte:02X}>" for byte in range(256)), "▁", "a", "b", "▁a", "ab"]
    return tokenizer_json(_ids(tokens), ["▁ a", "a b"], special={text: tokens.index(text) for text in specials})


def with_tokens(tokenizer: dict[str, Any], *texts: str, **flags: object) -> dict[str, Any]:
    """The tokenizer and more special tokens, whose ids follow its own."""
    vocab = tokenizer["model"]["vocab"]
    new = {text: len(vocab) + i for i, text in enumerate(texts)}
    added = [{"id": token, "content": text, **_FLAGS, **flags} for text, token in new.items()]
    return tokenizer | {
        "added_tokens": tokenizer["added_tokens"] + added,
        "model": tokenizer["model"] | {"vocab": vocab | new},
    }


def _ids(tokens: list[str]) -> dict[str, int]:
    return {token: i for i, token in enumerate(tokens)}


def _added(tokens: list[str], *chosen: str) -> list[dict[str, Any]]:
    return [{"id": tokens.index(token), "content": token, **_FLAGS} for token in chosen]
