"""Thoughts are left out wherever the pieces of an answer are cut, and nothing else is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fireside.serving.thoughts import ThoughtFilter

TAGS = ("<think>", "</think>")
parts = st.lists(st.sampled_from(["<think>", "</think>", "<th", "ink>", "a", " ", "\n", "</"]), max_size=6).map("".join)


def read(pieces: list[str], *, begun: bool = False) -> str:
    thoughts = ThoughtFilter(TAGS, begun=begun)
    return "".join([*map(thoughts.push, pieces), thoughts.finish()])


@pytest.mark.parametrize(
    ("answer", "left"),
    [
        ("plain", "plain"),
        ("<think>\nhm\n</think>\n\nYes. </think>", "Yes. </think>"),
        ("\n<think></think>Yes.", "Yes."),
        ("<think>on and on", ""),
        ("No <think>thought</think>.", "No <think>thought</think>."),
        ("<thin ice", "<thin ice"),
        ("<thin", "<thin"),
        ("", ""),
    ],
)
def test_only_a_thought_at_the_beginning_is_left_out(answer: str, left: str) -> None:
    assert read([answer]) == left


def test_a_thought_that_the_prompt_began_ends_in_the_answer() -> None:
    assert read(["hm", "</think>", "\n\n", "Yes."], begun=True) == "Yes."


@given(text=parts, begun=st.booleans(), data=st.data())
def test_the_answer_is_the_same_however_it_is_cut(text: str, begun: bool, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    pieces = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    assert read(pieces, begun=begun) == read(list(text), begun=begun) == read([text], begun=begun)
