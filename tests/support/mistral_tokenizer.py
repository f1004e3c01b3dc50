"""tokenizer.json files for Mistral 7B v0.1/v0.2 and OpenHermes 2.5, made from mistral_common's sentencepiece model.

Two forms of the same vocabulary are in use. "legacy": as the models' repositories have it, a normaliser puts "▁" before
each stretch of text. "metaspace": as newer conversions have it, a pre-tokenizer does so at the prompt's start only.
"""

import json
from pathlib import Path
from typing import Any, Literal

import numpy as np
from mistral_common.tokens.tokenizers.mistral import MistralTokenizer
from transformers.convert_slow_tokenizer import SentencePieceExtractor, generate_merges

from bench import sentencepiece

MistralOracle = MistralTokenizer[Any, Any, Any, Any, Any]
"""mistral_common's, of whatever requests and messages."""

Form = Literal["legacy", "metaspace"]
Version = Literal["v1", "v3"]
FORMS: tuple[Form, ...] = ("legacy", "metaspace")
ALL_FORMS = (*FORMS, "gguf")

_METASPACE = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": False}


def sentencepiece_model(version: Version = "v1") -> Path:
    """Mistral's vocabulary, as mistral_common ships it."""
    names = {"v1": "tokenizer.model.v1", "v3": "mistral_instruct_tokenizer_240323.model.v3"}
    return Path(MistralTokenizer._data_path()) / names[version]


def tokenizer_json(form: Form = "legacy", *, chatml: bool = False, version: Version = "v1") -> dict[str, Any]:
    """Content of the tokenizer.json; with `chatml`, OpenHermes' two added tokens."""
    pieces = SentencePieceExtractor(str(sentencepiece_model(version))).proto.pieces
    vocab = {piece.piece: i for i, piece in enumerate(pieces)}
    # By score, as transformers made the published files: runs of "▁" have low ids, but the lowest score.
    merges = generate_merges(vocab, {piece.piece: piece.score for piece in pieces})
    # sentencepiece's type 3 is a control token.
    control = {piece.piece: i for i, piece in enumerate(pieces) if piece.type == 3}
    added = {"<unk>": 0, **control} | ({"<|im_end|>": 32000, "<|im_start|>": 32001} if chatml else {})
    made = sentencepiece.tokenizer_json(vocab, [" ".join(merge) for merge in merges], special=added)
    if form == "metaspace":
        made |= {"normalizer": None, "pre_tokenizer": _METASPACE}
    return made


def write_tokenizer(folder: Path, form: Form = "legacy", *, chatml: bool = False, version: Version = "v1") -> Path:
    """Write tokenizer.json and tokenizer_config.json into `folder`, as a model's repository has them."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {
        "add_bos_token": True,
        "add_eos_token": False,
        "bos_token": "<s>",
        "eos_token": "<|im_end|>" if chatml else "</s>",
        "unk_token": "<unk>",
        "tokenizer_class": "LlamaTokenizer",
    }
    content = json.dumps(tokenizer_json(form, chatml=chatml, version=version))
    (folder / "tokenizer.json").write_text(content, encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
    return folder


def gguf_metadata() -> dict[str, Any]:
    """What a GGUF file says of this tokenizer, as llama.cpp's converter writes it."""
    pieces = SentencePieceExtractor(str(sentencepiece_model())).proto.pieces
    return {
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.pre": "default",
        "tokenizer.ggml.tokens": [piece.piece for piece in pieces],
        "tokenizer.ggml.scores": np.array([piece.score for piece in pieces], np.float32),
        # sentencepiece's numbers of types are GGUF's.
        "tokenizer.ggml.token_type": np.array([piece.type for piece in pieces], np.int32),
        "tokenizer.ggml.bos_token_id": 1,
        "tokenizer.ggml.eos_token_id": 2,
        "tokenizer.ggml.unknown_token_id": 0,
        "tokenizer.ggml.add_bos_token": True,
        "tokenizer.ggml.add_eos_token": False,
    }
