"""The smallest sound tokenizer.json of each kind Fireside reads, for tests to break."""

from typing import Any

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
    bos = [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}]
    return {
        "version": "1.0",
        "added_tokens": _added(tokens, *specials),
        "normalizer": {
            "type": "Sequence",
            "normalizers": [
                {"type": "Prepend", "prepend": "▁"},
                {"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
            ],
        },
        "pre_tokenizer": None,
        "post_processor": {
            "type": "TemplateProcessing",
            "single": bos,
            "pair": [*bos, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}},
        },
        "decoder": {
            "type": "Sequence",
            "decoders": [
                {"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
                {"type": "ByteFallback"},
                {"type": "Fuse"},
                {"type": "Strip", "content": " ", "start": 1, "stop": 0},
            ],
        },
        "model": {
            "type": "BPE",
            "unk_token": "<unk>",
            "fuse_unk": True,
            "byte_fallback": True,
            "vocab": _ids(tokens),
            "merges": ["▁ a", "a b"],
        },
    }


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
