"""What may come next under a grammar, for vocabularies of every kind."""

import pytest

from fireside.engine.grammar.constraint import Constraint
from fireside.engine.grammar.matcher import MAX_GRAMMAR, open_matcher, open_vocabulary
from fireside.engine.options import TokenTable
from fireside.errors import BadGrammar, ConstraintNotMet
from support.grammars import STOP, json_grammar, open_constraint, regex_grammar, table_of, takes

# Pieces of several bytes, a byte that is half a character, a control token, a piece that is there twice.
PIECES = (b"<unk>", b"", b"a", b"ab", b"b", b" a", b"\xc3", b"\xa9", "é".encode(), b"a", b"", b"c")
END = 10


def constraint_over(table: TokenTable, grammar: str, vocab_size: int | None = None) -> Constraint:
    size = len(table.bytes_of) if vocab_size is None else vocab_size
    return Constraint(open_matcher(open_vocabulary(table), grammar), size)


def after(grammar: str, *tokens: int, table: TokenTable | None = None, vocab_size: int | None = None) -> list[int]:
    constraint = constraint_over(table or table_of(PIECES, END), grammar, vocab_size)
    for token in tokens:
        assert token in constraint.allowed()
        constraint.accept(token)
    return [int(token) for token in constraint.allowed()]


def test_every_token_that_fits_may_come_and_the_end_where_the_answer_fits() -> None:
    assert after("start: /a+b/") == [2, 3, 9]
    assert after("start: /a+b/", 2) == [2, 3, 4, 9]
    assert after("start: /(ab)*/") == [2, 3, 9, END]
    assert after("start: /(ab)*/", 3) == [2, 3, 9, END]


def test_a_character_may_be_spelled_in_pieces_but_not_left_in_the_middle() -> None:
    assert after("start: /é?/") == [6, 8, END]
    assert after("start: /é?/", 6) == [7]
    assert after("start: /./", 6) == [7]


def test_control_tokens_and_pieces_that_look_like_them_are_text_or_nothing() -> None:
    assert after('start: "<unk>"') == [0]
    assert 1 not in after(r"start: /(.|\n)*/")


def test_no_token_beyond_the_logits_is_allowed() -> None:
    assert after("start: /(ab|c)/") == [2, 3, 9, 11]
    assert after("start: /(ab|c)/", vocab_size=9) == [2, 3]
    with pytest.raises(ConstraintNotMet, match="characters that no token of this model contains"):
        after("start: /c/", vocab_size=9)


def test_several_stop_tokens_end_an_answer_alike_and_without_any_only_the_grammar_does() -> None:
    table = table_of(PIECES, 1, END)
    assert after("start: /a?/", 2, table=table) == [1, END]
    constraint = constraint_over(table_of(PIECES), "start: /a?/")
    assert constraint.allowed().tolist() == [2, 9]
    constraint.accept(2)
    assert constraint.closed


def test_an_answer_is_closed_when_nothing_could_follow() -> None:
    constraint = open_constraint(json_grammar())
    for byte in b'{"a": [1]':
        constraint.accept(byte)
        assert not constraint.closed
        assert not constraint.satisfied
    constraint.accept(ord("}"))
    assert constraint.closed
    assert constraint.satisfied


def test_an_answer_that_fits_may_go_on() -> None:
    constraint = open_constraint(regex_grammar("[0-9]+"))
    assert STOP not in constraint.allowed()
    constraint.accept(ord("7"))
    assert constraint.satisfied
    assert not constraint.closed
    assert STOP in constraint.allowed()
    assert constraint.cut(1) is None


def test_an_answer_cut_before_it_fits_says_by_what() -> None:
    constraint = open_constraint(regex_grammar("ab"))
    constraint.accept(ord("a"))
    cut = constraint.cut(1)
    assert isinstance(cut, ConstraintNotMet)
    assert str(cut).startswith("JSON Mode couldn't be met: the answer reached max_tokens (1)")


@pytest.mark.parametrize(
    ("grammar", "wrong"),
    [
        (
            json_grammar({"oneOf": [{"minimum": 1}, {"maximum": 2}]}),
            "The JSON schema cannot be used: oneOf is supported",
        ),
        (json_grammar({"items": {"pattern": "[", "type": "string"}}), "at /items, cannot be used: its pattern"),
        (
            json_grammar(
                {
                    "properties": {"a/b": {"allOf": [{"type": "null"}, {"const": 1}]}},
                    "required": ["a/b"],
                    "type": "object",
                }
            ),
            "at /properties/a~1b, cannot be used: no value fits it",
        ),
        (regex_grammar("(?=a)b"), "The pattern cannot be used: look-around"),
        (regex_grammar(r"(a)\1"), "back-references"),
        (regex_grammar("[a"), "unclosed character class"),
        (regex_grammar("a$b"), "^ or $ inside a pattern are not supported"),
        (json_grammar({"const": "x" * MAX_GRAMMAR}), f"more than {MAX_GRAMMAR:,} characters"),
    ],
)
def test_a_grammar_that_cannot_be_used_is_refused_in_a_line_that_says_why(grammar: str, wrong: str) -> None:
    with pytest.raises(BadGrammar) as refused:
        open_constraint(grammar)
    message = str(refused.value)
    assert wrong in message
    assert "\n" not in message
    assert len(message) < 500
    assert "x-guidance" not in message


def test_a_pattern_is_matched_from_beginning_to_end_whatever_its_anchors() -> None:
    for pattern in ("ab|cd", "^ab|cd$", "^(ab|cd)$", "ab|cd$"):
        assert takes(regex_grammar(pattern), "cd")
        assert not takes(regex_grammar(pattern), "xcd")
        assert not takes(regex_grammar(pattern), "cdx")
    assert takes(regex_grammar(r"a\$"), "a$")
    assert takes(regex_grammar(r"a\\$"), "a\\")
    assert takes(regex_grammar('a/b"\n'), 'a/b"\n')


def test_there_is_no_endless_space_between_the_parts_of_json() -> None:
    grammar = json_grammar({"type": "array"})
    for text in ("[1,2]", "[1, 2]", "[ 1 , 2 ]", "[\n  1,\n  2\n]"):
        assert takes(grammar, text)
    for text in ("[1,  2]", "[1,\n\n2]", "[1,\t2]", "[" + "\n" + " " * 21 + "1]", " [1]", "[1] "):
        assert not takes(grammar, text)


def test_an_answer_that_becomes_too_complex_to_follow_fails_alone() -> None:
    runs = table_of([letter * length for letter in (b"a", b"ab") for length in range(1, 100)], 0)
    with pytest.raises(ConstraintNotMet, match="too complex to follow"):
        constraint_over(runs, regex_grammar("(((a{1,100}){1,100}){1,100}){1,100}b")).allowed()
