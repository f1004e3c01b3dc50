"""Vocabularies of newer families as their makers publish them, in GGUF's form, and read by other libraries."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tiktoken
from tokenizers.pre_tokenizers import ByteLevel
from transformers.convert_slow_tokenizer import import_protobuf

from sentencepiece import SentencePieceProcessor

Json = dict[str, Any]
Encode = Callable[[str], list[int]]

PACKAGES = {"llama3": "tokenizer-llama3_2", "qwen3": "tokenizer-qwen3", "gemma3": "tokenizer-gemma3"}
FAMILIES = tuple(PACKAGES)

_PATTERNS = {
    # meta-llama/llama-models, models/llama3/tokenizer.py
    "llama3": r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+",
    # QwenLM/Qwen, tokenization_qwen.py
    "qwen3": r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+",
}
_PRE = {"llama3": "llama-bpe", "qwen3": "qwen2"}
_NORMAL, _UNKNOWN, _CONTROL, _USER_DEFINED, _BYTE = 1, 2, 3, 4, 6
"""Types of tokens, the same in sentencepiece and in GGUF."""


def read(folder: Path) -> Json:
    """Content of the folder's tokenizer.json."""
    content: Json = json.loads((folder / "tokenizer.json").read_bytes())
    return content


def tiktoken_encode(family: str, content: Json) -> Encode:
    """tiktoken over the same vocabulary, which the makers' own code uses: a token's id is its rank."""
    byte_of = {character: byte for byte, character in enumerate(_alphabet())}
    ranks = {bytes(byte_of[c] for c in token): token_id for token, token_id in content["model"]["vocab"].items()}
    encoding = tiktoken.Encoding(family, pat_str=_PATTERNS[family], mergeable_ranks=ranks, special_tokens={})
    return lambda text: encoding.encode(text, disallowed_special=())


def sentencepiece_encode(content: Json) -> Encode:
    """sentencepiece over the same vocabulary, which Gemma was trained with: the earlier a merge, the higher a score."""
    model = import_protobuf().ModelProto()
    model.trainer_spec.model_type = model.trainer_spec.BPE
    model.trainer_spec.byte_fallback = True
    model.trainer_spec.unk_id, model.trainer_spec.bos_id, model.trainer_spec.eos_id = 3, 2, 1
    model.trainer_spec.pad_id = 0
    model.normalizer_spec.name = "identity"
    model.normalizer_spec.add_dummy_prefix = model.normalizer_spec.remove_extra_whitespaces = False
    for token, kind, score in _typed_tokens(content):
        model.pieces.add(piece=token, score=score, type=kind)
    processor = SentencePieceProcessor()
    processor.LoadFromSerializedProto(model.SerializeToString())
    return lambda text: list(processor.encode(text))


def gguf_metadata(family: str, content: Json) -> Json:
    """What llama.cpp's converter makes of the vocabulary."""
    tokens, kinds, scores = zip(*_typed_tokens(content), strict=True)
    metadata: Json = {
        "tokenizer.ggml.model": "llama" if family == "gemma3" else "gpt2",
        "tokenizer.ggml.pre": _PRE.get(family, "default"),
        "tokenizer.ggml.tokens": list(tokens),
        "tokenizer.ggml.token_type": np.array(kinds, np.int32),
    }
    if family == "gemma3":
        return metadata | {
            "tokenizer.ggml.scores": np.array(scores, np.float32),
            "tokenizer.ggml.add_space_prefix": False,
            "tokenizer.ggml.bos_token_id": 2,
            "tokenizer.ggml.eos_token_id": 106,
        }
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in content["model"]["merges"]]
    ends = {"llama3": 128009, "qwen3": 151645}
    bos = {"tokenizer.ggml.bos_token_id": 128000} if family == "llama3" else {"tokenizer.ggml.add_bos_token": False}
    return metadata | bos | {"tokenizer.ggml.merges": merges, "tokenizer.ggml.eos_token_id": ends[family]}


def _typed_tokens(content: Json) -> list[tuple[str, int, float]]:
    """Token, type and score, by id."""
    added = {token["id"]: token for token in content["added_tokens"]}
    by_id = {i: token for token, i in content["model"]["vocab"].items()}
    by_id |= {i: token["content"] for i, token in added.items()}
    made: dict[str, float] = {}
    for rank, merge in enumerate(content["model"]["merges"]):
        left, right = merge.split(" ") if isinstance(merge, str) else merge
        made.setdefault(left + right, -float(rank))
    lowest = -float(len(content["model"]["merges"]))
    unknown = content["model"].get("unk_token")

    def kind(token_id: int, token: str) -> int:
        if token == unknown:
            return _UNKNOWN
        if token_id in added:
            return _CONTROL if added[token_id]["special"] else _USER_DEFINED
        if content["model"]["byte_fallback"] and len(token) == 6 and token.startswith("<0x"):
            return _BYTE
        return _NORMAL

    tokens = sorted(by_id.items())
    assert [i for i, _ in tokens] == list(range(len(tokens)))
    return [(token, kind(i, token), made.get(token, lowest)) for i, token in tokens]


def _alphabet() -> list[str]:
    """GPT-2's character for each byte: printable ones stand for themselves, the library's others for the rest."""
    printable = {*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)}
    others = iter(sorted(set(ByteLevel.alphabet()) - {chr(byte) for byte in printable}))
    return [chr(byte) if byte in printable else next(others) for byte in range(256)]
