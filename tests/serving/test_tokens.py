"""Scores belong to the text that is told, wherever it is cut: their tokens spell it, and begin where they say."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fireside.chat.formats import formats
from fireside.chat.messages import Tool
from fireside.engine.types import Scores, Token, pack_scores
from fireside.prompting import ByteTokenizer
from fireside.serving.reader import AnswerReader
from fireside.serving.tokens import Likely, PromptReport, ScoredToken, prompt_report
from fireside.serving.types import Delta, TextRequest

BYTES = ByteTokenizer()
PLAIN = formats()["plain"]
END = 257


def read(text: str, *, finish: str = "stop", **fields: Any) -> tuple[list[Delta], list[ScoredToken]]:
    """The pieces of an answer that says this, up to the one that ends it, and the scores in them."""
    request = TextRequest(model="@hf/a/b", prompt="hi", scores=1, **fields)
    reader = AnswerReader(request, BYTES, PLAIN)
    scores = Scores(-0.5, [(65, -0.25)])
    tokens = [Token(byte, scores=scores) for byte in text.encode()]
    tokens.append(Token(END, "stop", scores=scores) if finish == "stop" else Token(ord("."), "length", scores=scores))
    deltas = []
    for token in tokens:
        deltas.append(reader.push(token))
        if deltas[-1].finish_reason:
            break
    return deltas, [scored for delta in deltas if delta.tokens for scored in delta.tokens.scored]


def spelled(scored: list[ScoredToken]) -> str:
    return b"".join(token.text for token in scored).decode()


@given(st.text(max_size=30))
def test_they_spell_the_text_token_by_token(text: str) -> None:
    deltas, scored = read(text)
    assert spelled(scored) == "".join(delta.text for delta in deltas) == text
    starts = [place for place, character in enumerate(text) for _ in character.encode()]
    assert [token.start for token in scored] == starts
    assert all(token.best == (Likely(65, b"A", -0.25),) and token.logprob == -0.5 for token in scored)


@given(st.text(alphabet="abü", max_size=30), st.lists(st.text(alphabet="abü", min_size=1, max_size=4), max_size=3))
def test_a_stop_text_has_no_scores(text: str, stops: list[str]) -> None:
    deltas, scored = read(text, stop=tuple(stops))
    assert spelled(scored) == "".join(delta.text for delta in deltas)
    deltas, scored = read(text, stop=tuple(stops), keep_stop=True)
    assert spelled(scored) == "".join(delta.text for delta in deltas) == text[: len(spelled(scored))]


def test_no_piece_has_scores_of_text_that_is_held_back() -> None:
    deltas, _ = read("abcx", stop=("abcd",))
    counts = [(delta.text, len(delta.tokens.scored)) for delta in deltas if delta.tokens]
    assert counts == [("", 0), ("", 0), ("", 0), ("abcx", 4), ("", 0)]


def test_a_thought_has_no_scores() -> None:
    thinking = replace(PLAIN, thinking=("<think>", "</think>"))
    request = TextRequest(model="@hf/a/b", prompt="hi", scores=0)
    reader = AnswerReader(request, BYTES, thinking)
    deltas = [reader.push(Token(byte, scores=Scores(-1.0))) for byte in b"<think>hm</think>\n\nYes"]
    deltas.append(reader.push(Token(END, "stop")))
    assert "".join(delta.text for delta in deltas) == "Yes"
    scored = [token for delta in deltas if delta.tokens for token in delta.tokens.scored]
    assert [(token.text, token.start) for token in scored] == [(b"Y", 0), (b"e", 1), (b"s", 2)]


def test_a_call_has_no_scores() -> None:
    call = '<tool_call>\n{"name": "now", "arguments": {}}\n</tool_call>'
    deltas, scored = read(f"Well. {call}", tools=(Tool("now", "", {}),))
    assert spelled(scored) == "Well. "
    assert deltas[-1].finish_reason == "tool_calls"


def test_an_answer_that_is_cut_keeps_its_scores() -> None:
    _, scored = read("ab", finish="length")
    assert spelled(scored) == "ab."


def test_ids_are_those_of_all_tokens() -> None:
    request = TextRequest(model="@hf/a/b", prompt="hi", tell_ids=True, stop=("b",))
    reader = AnswerReader(request, BYTES, PLAIN)
    reports = [reader.push(Token(byte)).tokens for byte in b"ab"]
    assert [report.ids for report in reports if report] == [(97,), (98,)]
    plain = AnswerReader(TextRequest(model="@hf/a/b", prompt="hi"), BYTES, PLAIN)
    assert plain.push(Token(97, scores=Scores(-1.0))).tokens is None


SCORES = pack_scores([Scores(-1.0, [(65, -0.5)]), Scores(-2.0)])


def test_a_prompt_is_told_as_it_was_given() -> None:
    report = prompt_report(BYTES, [97, 195, 188], "aü", SCORES)
    assert report == PromptReport(
        [97, 195, 188],
        "aü",
        (
            ScoredToken(97, b"a", 0, None),
            ScoredToken(195, b"\xc3", 1, -1.0, (Likely(65, b"A", -0.5),)),
            ScoredToken(188, b"\xbc", 1, -2.0),
        ),
    )
    assert prompt_report(BYTES, [97], "a", b"").scored == (ScoredToken(97, b"a", 0, None),)
    assert prompt_report(BYTES, [97], "a", None) == PromptReport([97], "a")


@pytest.mark.parametrize(("text", "starts"), [("ab", [0, 0, 1]), ("<s>ab", [0, 3, 4]), (None, [0, 3, 4])])
def test_a_beginning_that_was_added_takes_no_room(text: str | None, starts: list[int]) -> None:
    report = prompt_report(BYTES, [256, 97, 98], text, SCORES)
    assert [token.start for token in report.scored] == starts
    assert report.text == ("<s>ab" if text is None else text)
    assert report.scored[0].text == b"<s>"
