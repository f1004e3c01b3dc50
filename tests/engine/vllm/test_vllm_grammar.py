"""A compiled grammar as vLLM asks for it: rows of a bitmask, and the tokens that were chosen."""

import numpy as np
import torch

from fireside.engine.vllm.grammar import Grammar
from fireside.errors import ConstraintNotMet
from support.grammars import STOP, open_constraint, regex_grammar

VOCAB = 300


def allowed(grammar: Grammar) -> set[int]:
    """What the second row of a bitmask says."""
    bitmask = torch.full((3, (VOCAB + 31) // 32), -1, dtype=torch.int32)
    grammar.fill_bitmask(bitmask, 1)
    assert (bitmask[[0, 2]] == -1).all()
    bits = np.unpackbits(bitmask[1].numpy().view(np.uint8), bitorder="little")
    return set(np.flatnonzero(bits).tolist())


def test_a_row_holds_what_may_come_next() -> None:
    grammar = Grammar(open_constraint(regex_grammar("a[bc]|d")), [STOP])
    assert allowed(grammar) == {ord("a"), ord("d")}
    assert grammar.accept_tokens("1", [ord("a")])
    assert allowed(grammar) == {ord("b"), ord("c")}
    assert grammar.accept_tokens("1", [ord("b")])
    assert grammar.constraint.closed
    assert allowed(grammar) == {STOP}
    assert grammar.accept_tokens("1", [STOP])


def test_where_nothing_can_follow_the_answer_is_at_fault_and_no_token_is_taken() -> None:
    grammar = Grammar(open_constraint(regex_grammar("a+")), [STOP])
    grammar.constraint.accept(ord("b"))  # llguidance: an error from now on
    assert len(allowed(grammar)) >= VOCAB
    assert isinstance(grammar.fault, ConstraintNotMet)
    assert grammar.accept_tokens("1", [5])
