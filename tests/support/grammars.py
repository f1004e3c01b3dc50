"""Grammars over a vocabulary of bytes, and a model that says anything a grammar allows."""

import json
import string
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fireside.engine.echo.runner import shortest_byte
from fireside.engine.grammar.constraint import Constraint
from fireside.engine.grammar.matcher import open_matcher, open_vocabulary
from fireside.engine.options import TokenTable
from fireside.serving.grammars import output_grammar
from fireside.serving.types import JsonOutput, RegexOutput

STOP = 256
BYTES = TokenTable(bytes_of=[*(bytes([byte]) for byte in range(256)), b""], stop_ids=[STOP])
"""A token a byte, and one that ends the answer."""

_VISIBLE = string.ascii_letters + string.digits + string.punctuation
_VOCABULARY = open_vocabulary(BYTES)


def json_grammar(schema: Mapping[str, Any] | bool | None = None) -> str:
    return output_grammar(JsonOutput(schema), spaced=False)


def regex_grammar(pattern: str) -> str:
    return output_grammar(RegexOutput(pattern), spaced=False)


def open_constraint(grammar: str) -> Constraint:
    """Over bytes. Raises BadGrammar."""
    return Constraint(open_matcher(_VOCABULARY, grammar), len(BYTES.bytes_of))


def takes(grammar: str, text: str) -> bool:
    """Whether the whole text fits."""
    constraint = open_constraint(grammar)
    for byte in text.encode():
        if byte not in constraint.allowed():
            return False
        constraint.accept(byte)
    return constraint.satisfied


def takes_value(grammar: str, value: object) -> bool:
    """Whether the value fits in one of the usual spellings."""
    spellings = [json.dumps(value, ensure_ascii=False, separators=pair) for pair in ((",", ":"), (", ", ": "))]
    return any(takes(grammar, text) for text in spellings)


def ramble(grammar: str, seed: int, *, most: int = 60) -> str:
    """What a model says that likes all allowed bytes alike, and after `most` of them tries to come to an end."""
    random = np.random.default_rng(seed)
    constraint = open_constraint(grammar)
    said = bytearray()
    while not constraint.closed:
        allowed = constraint.allowed().tolist()
        if STOP in allowed:
            break
        if len(said) >= most:
            allowed = [byte for byte in allowed if chr(byte) in _VISIBLE] or allowed
        byte = shortest_byte(allowed) if len(said) >= most and random.random() < 0.5 else int(random.choice(allowed))
        constraint.accept(byte)
        said.append(byte)
        assert len(said) < 5000, "the answer does not end"
    return said.decode()


def table_of(tokens: Sequence[bytes], *stop_ids: int) -> TokenTable:
    return TokenTable(bytes_of=list(tokens), stop_ids=list(stop_ids))
