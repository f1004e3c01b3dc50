"""What the benchmark of forms asks for, and what it tells."""

import pytest
from bench.forms import SCHEMA, FormTurn, form_rows, mistral_vocabulary

from fireside.engine.grammar.constraint import Constraint
from fireside.engine.grammar.matcher import open_matcher, open_vocabulary
from fireside.serving.grammars import output_grammar
from fireside.serving.types import JsonOutput


def test_the_vocabulary_spells_an_answer_that_fits() -> None:
    table = mistral_vocabulary()
    assert len(table.bytes_of) == 32_000
    assert table.stop_ids == [2]
    matcher = open_matcher(open_vocabulary(table), output_grammar(JsonOutput(SCHEMA), spaced=True))
    constraint = Constraint(matcher, len(table.bytes_of))
    for word in (b' {"', b"name", b'":', b' "', b"A", b"nn", b'",'):
        token = table.bytes_of.index(word)
        assert token in constraint.allowed()
        constraint.accept(token)


def test_a_step_is_longer_by_what_a_rate_is_lower() -> None:
    turn = FormTurn({(1, False): 3.0, (1, True): 2.0, (8, False): 8.0, (8, True): 8.0}, 0.5)
    assert [value(turn) for title, value, _ in form_rows() if "longer" in title] == [pytest.approx(50), 0]
