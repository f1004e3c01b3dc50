"""A checkpoint that says what a test wants: each token has one token that always follows it."""

import json
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from support.checkpoints import make_tiny_checkpoint, save_safetensors


def make_chain_model(folder: Path, tokenizer: Mapping[str, Any], follows: Mapping[int, int]) -> None:
    """Write weights, config.json and tokenizer.json. At temperature 0, `follows[token]` comes after `token`.

    Its layers add nothing to the residual stream, embeddings are orthogonal, and the head maps each to the token that
    follows.
    """
    vocab = len(tokenizer["model"]["vocab"])
    hidden = -(-vocab // 32) * 32
    worth = make_tiny_checkpoint(folder, vocab=vocab, hidden=hidden, inner=32, layers=1)
    for name, values in worth.items():
        if name.endswith(("o_proj.weight", "down_proj.weight")):
            values[...] = 0
    worth["model.embed_tokens.weight"][...] = np.eye(vocab, hidden)
    worth["model.norm.weight"][...] = 1
    head = worth["lm_head.weight"]
    head[...] = 0
    for token, following in follows.items():
        head[following, token] = 1
    save_safetensors(folder / "model.safetensors", worth)
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))


def chain(*tokens: int) -> dict[int, int]:
    """What follows what in a sequence of tokens that are all different."""
    assert len(set(tokens)) == len(tokens)
    return dict(pairwise(tokens))
