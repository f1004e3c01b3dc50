"""Converts the tokenizer in a GGUF file's metadata to the content of a tokenizer.json.

Kind "gpt2" is byte-level BPE with merges and a named pre-tokenizer; kind "llama" is sentencepiece BPE, which has scores
instead of merges (Gemma's, too). Source of the names: llama.cpp, `src/llama-vocab.cpp`.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fireside.errors import BadWeights, UnsupportedWeights
from fireside.prompting.tokenizer_json import MARK, Json, is_plain

_UNKNOWN, _CONTROL, _USER_DEFINED, _UNUSED, _BYTE = 2, 3, 4, 5, 6
_BYTE_LEVEL: Json = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}


def _cut_by(pattern: str) -> Json:
    return {
        "type": "Sequence",
        "pretokenizers": [
            {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False},
            {**_BYTE_LEVEL, "use_regex": False},
        ],
    }


def _words(numbers: str) -> Json:
    """Llama 3's pre-tokenizer, which Qwen shares except for the pattern for numbers."""
    return _cut_by(
        rf"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|{numbers}| ?[^\s\p{{L}}\p{{N}}]+[\r\n]*"
        r"|\s*[\r\n]+|\s+(?!\S)|\s+"
    )


_LLAMA_3 = _words(r"\p{N}{1,3}")
TEKKEN = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_PRE_TOKENIZERS: dict[str, Json] = {
    "gpt-2": _BYTE_LEVEL,
    # Digits first, as in training: a run of spaces before a digit stays together.
    "smollm": {
        "type": "Sequence",
        "pretokenizers": [{"type": "Digits", "individual_digits": True}, _BYTE_LEVEL],
    },
    "llama-bpe": _LLAMA_3,
    "llama3": _LLAMA_3,
    "llama-v3": _LLAMA_3,
    "tekken": _cut_by(TEKKEN),
    "qwen2": _words(r"\p{N}"),
}
_NORMALIZERS: dict[str, Json] = {"qwen2": {"type": "NFC"}}
"""Normalisation that the models' own tokenizers apply first and llama.cpp leaves out."""
_WHOLE_WORDS = ("llama-bpe", "llama3", "llama-v3", "tekken")
"""Here a word that is a token needs no merges, and texts begin with BOS unless the file says otherwise."""


def from_gguf_metadata(metadata: Mapping[str, object], name: str) -> Json:
    """The content of a tokenizer.json. Raises UnsupportedWeights, BadWeights; `name` is the file's, for messages."""
    model, pre = metadata.get("tokenizer.ggml.model"), metadata.get("tokenizer.ggml.pre", "gpt-2")
    sentencepiece = isinstance(model, str) and model == "llama"
    known = isinstance(model, str) and model == "gpt2" and isinstance(pre, str) and pre in _PRE_TOKENIZERS
    if not sentencepiece and not known:
        raise UnsupportedWeights(
            f"{name} has a tokenizer of kind {model!r} with pre-tokenizer {pre!r}. Fireside runs the GGUF tokenizers "
            f"'llama', and 'gpt2' with {' or '.join(map(repr, _PRE_TOKENIZERS))}. Put the model's tokenizer.json "
            "beside the file."
        )
    tokens = _texts(metadata, "tokenizer.ggml.tokens", name)
    types = _numbers(metadata, "tokenizer.ggml.token_type", name)
    if len(set(tokens)) != len(tokens):
        raise BadWeights(f"{name} is corrupt: a token occurs twice. Fetch it again.")
    if len(types) != len(tokens):
        raise BadWeights(f"{name} is corrupt: {len(tokens)} tokens, but {len(types)} token types. Fetch it again.")
    kinds = [int(kind) for kind in types]
    # sentencepiece's unknown token stands for no particular text, so it is special, too.
    special = (_CONTROL, _UNKNOWN) if sentencepiece else (_CONTROL,)
    content: Json = {
        "version": "1.0",
        "added_tokens": [
            {
                "id": token_id,
                "content": token,
                "single_word": False,
                "lstrip": False,
                "rstrip": False,
                "normalized": False,
                "special": kind in special,
            }
            for token_id, (token, kind) in enumerate(zip(tokens, kinds, strict=True))
            if kind in (*special, _USER_DEFINED)
        ],
    }
    if sentencepiece:
        return content | _sentencepiece(metadata, tokens, kinds, name)
    merges = _texts(metadata, "tokenizer.ggml.merges", name)
    vocab = {token: i for i, token in enumerate(tokens)}
    return content | {
        "normalizer": _NORMALIZERS.get(str(pre)),
        "pre_tokenizer": _PRE_TOKENIZERS[str(pre)],
        "decoder": _BYTE_LEVEL,
        "model": {"type": "BPE", "vocab": vocab, "merges": merges, "ignore_merges": pre in _WHOLE_WORDS},
    }


def begins_with_bos(metadata: Mapping[str, object]) -> bool:
    """Whether prompts begin with BOS: as the file says, or else the default of its kind."""
    usual = metadata["tokenizer.ggml.model"] == "llama" or metadata.get("tokenizer.ggml.pre") in _WHOLE_WORDS
    return bool(metadata.get("tokenizer.ggml.add_bos_token", usual))


def _sentencepiece(metadata: Mapping[str, object], tokens: list[str], kinds: list[int], name: str) -> Json:
    scores = _numbers(metadata, "tokenizer.ggml.scores", name)
    if len(scores) != len(tokens):
        raise BadWeights(f"{name} is corrupt: {len(tokens)} tokens, but {len(scores)} scores. Fetch it again.")
    vocab = {token: i for i, token in enumerate(tokens)}
    unknown = next((token for token, kind in zip(tokens, kinds, strict=True) if kind == _UNKNOWN), None)
    spaced = bool(metadata.get("tokenizer.ggml.add_space_prefix", True))
    normalizers: list[Json] = [{"type": "Prepend", "prepend": MARK}] if spaced else []
    normalizers.append({"type": "Replace", "pattern": {"String": " "}, "content": MARK})
    decoders: list[Json] = [
        {"type": "Replace", "pattern": {"String": MARK}, "content": " "},
        {"type": "ByteFallback"},
        {"type": "Fuse"},
    ]
    if spaced:
        decoders.append({"type": "Strip", "content": " ", "start": 1, "stop": 0})
    mergeable = {
        token: float(score)
        for token, kind, score in zip(tokens, kinds, scores, strict=True)
        # Gemma's runs of spaces are user-defined tokens; sentencepiece finds them after replacing spaces by "▁".
        if kind < _UNKNOWN or (kind == _USER_DEFINED and is_plain(token))
    }
    return {
        "normalizer": {"type": "Sequence", "normalizers": normalizers},
        "pre_tokenizer": None,
        "decoder": {"type": "Sequence", "decoders": decoders},
        "model": {
            "type": "BPE",
            "unk_token": unknown,
            "fuse_unk": True,
            "byte_fallback": _BYTE in kinds,
            "vocab": vocab,
            "merges": _merges(mergeable, vocab),
        },
    }


def _merges(scores: Mapping[str, float], vocab: Mapping[str, int]) -> list[list[str]]:
    """The pairs of tokens that form another token, best score first: sentencepiece's merges, in its order."""

    def pairs() -> Iterator[tuple[float, str, str]]:
        for token, score in scores.items():
            for cut in range(1, len(token)):
                left, right = token[:cut], token[cut:]
                if left in scores and right in scores:
                    yield score, left, right

    # Ties are ordered as transformers orders them in the published tokenizer.json files.
    ordered = sorted(pairs(), key=lambda pair: (-pair[0], -len(pair[1]), -len(pair[2]), vocab[pair[1] + pair[2]]))
    return [[left, right] for _, left, right in ordered]


def _texts(metadata: Mapping[str, object], key: str, name: str) -> list[str]:
    value = metadata.get(key)
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        raise BadWeights(f"{name} is corrupt: {key!r} in its metadata is not a list of strings. Fetch it again.")
    return value


def _numbers(metadata: Mapping[str, object], key: str, name: str) -> Sequence[Any]:
    value = metadata.get(key)
    if isinstance(value, str | list) or not hasattr(value, "__len__"):
        raise BadWeights(f"{name} is corrupt: {key!r} in its metadata is not a list of numbers. Fetch it again.")
    return value  # type: ignore[return-value]
