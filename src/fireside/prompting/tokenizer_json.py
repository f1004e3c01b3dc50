"""Checks and parses tokenizer.json, the `tokenizers` library's format.

It reads what the models need: byte-level BPE (GPT-2, SmolLM2, Llama 3, Qwen) and sentencepiece BPE, which writes spaces
as "▁" (Mistral, Llama 2, Gemma).
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Literal

from fireside.errors import BadWeights, UnsupportedWeights

Json = dict[str, Any]
Prefix = Literal["never", "always", "unless-spaced"]
"""When "▁" goes before a text; "unless-spaced": unless the text begins with a space."""

MARK = "▁"

_SPACES = re.compile(rf"[\s{MARK}]+")
_TAG = re.compile(
    "</?(a|b|bbox|blockquote|body|caption|code|div|em|footer|h[1-6]|html|i|iframe|img|li|span|strong|sub|sup|table|tbody"
    "|td|tfoot|th|thead|tr|u|ul)>"
)
"""Gemma's tags, except `s`: in other vocabularies, "<s>" and "</s>" begin and end a text."""


@dataclass(frozen=True, slots=True)
class TokenizerParts:
    """A checked tokenizer file.

    Args:
        full: the file's content for the library, for encoding with special tokens.
        bare: the same without control tokens (so no text can become one) and without "▁" before texts.
        vocab: id to token, including added tokens.
        added: text to id of the added tokens.
        special: ids that decode to nothing.
        sentencepiece: whether spaces are written "▁"; otherwise the tokenizer is byte-level.
        byte_fallback: whether tokens "<0xNN>" stand for bytes.
        strips_leading_space: whether the decoder drops a text's first space.
        start_prefix: the file's rule for "▁" at the start of a prompt.
        inner_prefix: the same for text after a special token.
        shrinks: whether normalisation or added tokens that strip spaces may shorten a text before it is tokenised.
    """

    full: Json
    bare: Json
    vocab: dict[int, str]
    added: dict[str, int]
    special: frozenset[int]
    sentencepiece: bool
    byte_fallback: bool
    strips_leading_space: bool
    start_prefix: Prefix
    inner_prefix: Prefix
    shrinks: bool


def parse_tokenizer(data: object, name: str) -> TokenizerParts:
    """Check the content of a tokenizer.json and derive its parts. `name` is the file's, for messages.

    Raises BadWeights for an invalid tokenizer, UnsupportedWeights for a kind that Fireside does not run.
    """
    if not isinstance(data, dict) or not isinstance(data.get("model"), dict):
        raise BadWeights(f"{name} is not a tokenizer file: it has no 'model' object. Fetch it again.")
    model = data["model"]
    if model.get("type", "BPE") != "BPE":
        raise UnsupportedWeights(f"{name} has a {model['type']!r} tokenizer; Fireside runs only BPE tokenizers.")
    vocab = model.get("vocab")
    if not isinstance(vocab, dict) or not vocab or not all(_is_id(token_id) for token_id in vocab.values()):
        raise BadWeights(f"{name} is corrupt: 'model.vocab' must map tokens to ids. Fetch it again.")
    if not isinstance(model.get("merges"), list):
        raise BadWeights(f"{name} is corrupt: 'model.merges' must be a list. Fetch it again.")
    added_tokens = data.get("added_tokens") or []
    if not isinstance(added_tokens, list) or not all(_is_added_token(token) for token in added_tokens):
        raise BadWeights(
            f"{name} is corrupt: 'added_tokens' must be a list of tokens with 'id' and 'content'. Fetch it again."
        )

    added = {token["content"]: token["id"] for token in added_tokens}
    if len(added) != len(added_tokens) or len({*(vocab | added).values()}) != len(vocab | added):
        # Otherwise an ordinary token could share its id with a control token.
        raise BadWeights(f"{name} is corrupt: a token occurs twice, or two tokens share an id. Fetch it again.")

    decoders = list(_nodes(data.get("decoder"), "decoders"))
    kinds = {node["type"] for node in decoders}
    sentencepiece = "Metaspace" in kinds or any(
        node["type"] == "Replace" and node.get("pattern") == {"String": MARK} for node in decoders
    )
    if not sentencepiece and "ByteLevel" not in kinds:
        raise UnsupportedWeights(
            f"{name} has a decoder that Fireside does not support ({', '.join(sorted(kinds)) or 'none'}). "
            "It runs byte-level and sentencepiece BPE tokenizers."
        )
    full = {**data, "truncation": None, "padding": None, "model": {**model, "dropout": None}}
    plain = [token for token in added_tokens if not token.get("special") and is_plain(token["content"])]
    bare, start, inner = _without_prefix(_without_control_tokens(full, added, plain, name))
    return TokenizerParts(
        full=full,
        bare=bare,
        vocab={token_id: token for token, token_id in (vocab | added).items()},
        added=added,
        special=frozenset(token["id"] for token in added_tokens if token.get("special")),
        sentencepiece=sentencepiece,
        byte_fallback="ByteFallback" in kinds,
        strips_leading_space=any(_strips(node) for node in decoders),
        start_prefix=start,
        inner_prefix=inner,
        shrinks=_shrinks(data, added_tokens),
    )


def is_plain(text: str) -> bool:
    """Whether an added token that is not marked special is ordinary text: spaces, one character, or an HTML tag.

    Gemma's vocabulary has such tokens for line breaks and tags, and DeepSeek's for some letters; without them, texts
    would be tokenised as they never were in training. All other added tokens count as control tokens, marked special or
    not: "<start_of_turn>" and "<think>" are not marked in every file that has them.
    """
    return len(text) == 1 or bool(_SPACES.fullmatch(text) or _TAG.fullmatch(text))


def _shrinks(data: Json, added_tokens: Sequence[Json]) -> bool:
    def grows(node: Json) -> bool:
        pattern = node.get("pattern")
        text = pattern.get("String") if isinstance(pattern, dict) else None
        return node["type"] == "Prepend" or (
            node["type"] == "Replace" and isinstance(text, str) and len(text) <= len(str(node.get("content", "")))
        )

    spaces_go = any(token.get("lstrip") or token.get("rstrip") for token in added_tokens)
    return spaces_go or not all(map(grows, _nodes(data.get("normalizer"), "normalizers")))


def _is_id(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_added_token(token: object) -> bool:
    return isinstance(token, dict) and _is_id(token.get("id")) and isinstance(token.get("content"), str)


def _nodes(node: object, children: str) -> Iterator[Json]:
    """A component itself, or the components of a "Sequence", recursively."""
    if not isinstance(node, dict) or not isinstance(node.get("type"), str):
        return
    if node["type"] != "Sequence":
        yield node
    elif isinstance(node.get(children), list):
        for child in node[children]:
            yield from _nodes(child, children)


def _strips(node: Json) -> bool:
    if node["type"] == "Metaspace":
        return bool(node.get("prepend_scheme", "always") != "never")
    return bool(node["type"] == "Strip" and node.get("content") == " " and node.get("start"))


def _without_control_tokens(data: Json, added: Mapping[str, int], plain: Sequence[Json], name: str) -> Json:
    """Remove the control tokens, which the library finds before anything else, and the merges that could form one."""
    model = data["model"]
    unknown = model.get("unk_token")
    control = set(added).difference(token["content"] for token in plain)
    merges = []
    for merge in model["merges"]:
        pair = merge.split(" ") if isinstance(merge, str) else merge
        if not isinstance(pair, list) or len(pair) != 2 or not all(isinstance(side, str) for side in pair):
            raise BadWeights(f"{name} is corrupt: {merge!r} in 'model.merges' is not a pair. Fetch it again.")
        left, right = pair
        if left not in control and right not in control and left + right not in control:
            merges.append(merge)
    vocab = {token: i for token, i in model["vocab"].items() if token not in control or token == unknown}
    model = {**model, "vocab": vocab, "merges": merges}
    return {**data, "added_tokens": list(plain), "post_processor": None, "model": model}


def _without_prefix(data: Json) -> tuple[Json, Prefix, Prefix]:
    """Stop a tokenizer from putting "▁" before texts; also return its rules: at the start, after a special token."""
    data = {
        **data,
        "normalizer": deepcopy(data.get("normalizer")),
        "pre_tokenizer": deepcopy(data.get("pre_tokenizer")),
    }
    for node in _nodes(data["normalizer"], "normalizers"):
        if node["type"] == "Prepend" and node.get("prepend") == MARK:
            # The normalizer runs on each stretch between special tokens.
            node["prepend"] = ""
            return data, "always", "always"
    for node in _nodes(data["pre_tokenizer"], "pretokenizers"):
        if node["type"] == "Metaspace":
            scheme = node.get("prepend_scheme", "always" if node.get("add_prefix_space", True) else "never")
            node["prepend_scheme"] = "never"
            node.pop("add_prefix_space", None)
            start: Prefix = "never" if scheme == "never" else "unless-spaced"
            inner: Prefix = "unless-spaced" if scheme == "always" else "never"
            return data, start, inner
    return data, "never", "never"
