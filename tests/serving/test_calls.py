"""Calls are found wherever the pieces of an answer are cut, and nothing else is taken for one."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fireside.errors import ConstraintNotMet
from fireside.prompting.messages import ToolCall
from fireside.prompting.tools import CALL_CLOSE, CALL_OPEN
from fireside.serving.calls import CallReader

words = st.text(st.sampled_from('ab<>/_tolc \n{}"é'), max_size=12)
arguments = st.dictionaries(st.sampled_from(["a", CALL_CLOSE]), words | st.sampled_from([CALL_OPEN, CALL_CLOSE]))
calls = st.lists(st.tuples(st.sampled_from(["add", "say"]), arguments), max_size=3, unique_by=repr)


def spelt(name: str, given: object) -> str:
    return f'{CALL_OPEN}\n{{"name": {json.dumps(name)}, "arguments": {json.dumps(given)}}}\n{CALL_CLOSE}'


def read(pieces: list[str]) -> tuple[str, list[ToolCall]]:
    reader = CallReader()
    shown, made = "", []
    for piece in pieces:
        text, new = reader.push(piece)
        shown += text
        made += new
    assert made == reader.made
    return shown + reader.finish(), made


@given(text=words, given_calls=calls, data=st.data())
def test_text_and_calls_are_the_same_however_the_answer_is_cut(
    text: str, given_calls: list[tuple[str, object]], data: st.DataObject
) -> None:
    if CALL_OPEN in text:
        return
    answer = text + "\n".join(spelt(*call) for call in given_calls)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(answer)), max_size=8)))
    pieces = [answer[start:end] for start, end in zip([0, *cuts], [*cuts, len(answer)], strict=True)]
    for way in (pieces, list(answer), [answer]):
        shown, made = read(way)
        assert shown == text
        assert [(call.name, json.loads(call.arguments)) for call in made] == given_calls
        assert len({call.id for call in made}) == len(made)


def test_text_that_only_begins_like_a_call_is_shown_as_soon_as_that_is_clear() -> None:
    reader = CallReader()
    assert reader.push("a <tool")[0] == "a "
    assert reader.push("_c")[0] == ""
    assert reader.push("ase> <")[0] == "<tool_case> "
    assert reader.finish() == "<"


def test_a_call_comes_as_soon_as_it_is_complete() -> None:
    reader = CallReader()
    answer = spelt("add", {"a": 1})
    assert reader.push(answer[:-1]) == ("", ())
    text, (call,) = reader.push(">")
    assert (text, call.name, call.arguments) == ("", "add", '{"a": 1}')
    assert call.id.startswith("call_")
    assert reader.push("\n") == ("", ())


def test_a_call_that_repeats_itself_is_the_last() -> None:
    once, other = spelt("add", {"a": 1}), spelt("add", {"a": 2})
    reader = CallReader()
    assert len(reader.push("\n".join([once, other, once, other]))[1]) == 2
    assert reader.repeats
    assert reader.push(spelt("add", {"a": 3})) == ("", ())
    assert reader.finish() == ""


def test_a_number_that_no_reader_takes_is_an_error() -> None:
    with pytest.raises(ConstraintNotMet, match="a number that no reader of JSON takes"):
        CallReader().push(f'{CALL_OPEN}\n{{"name": "add", "arguments": {{"a": 1e999}}}}\n{CALL_CLOSE}')
