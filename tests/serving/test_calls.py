"""Calls are found wherever the pieces of an answer are cut, and nothing else is taken for one: in every dialect."""

import json
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fireside.chat.dialects import ToolDialect
from fireside.chat.formats import formats
from fireside.chat.messages import ToolCall
from fireside.chat.tools import HERMES
from fireside.errors import ConstraintNotMet
from fireside.serving.calls import CallReader

DIALECTS = {chat.dialect: chat.name for chat in formats().values()}
MARKS = sorted(
    {part for dialect in DIALECTS for part in (dialect.opening, dialect.after, dialect.between, dialect.end) if part}
    | {'"', "\\", '\\"}', '{"name": "', "}]"}
)

words = st.text(st.sampled_from('ab<>/_tolc \n{}"é\\'), max_size=12) | st.sampled_from(MARKS)
arguments = st.dictionaries(words, st.recursive(words | st.integers(), lambda inner: st.lists(inner, max_size=3)))
calls = st.lists(st.tuples(st.sampled_from(["add", "say", 'o"d\\d']), arguments), max_size=3, unique_by=repr)
every_dialect = pytest.mark.parametrize("dialect", DIALECTS, ids=DIALECTS.values())


def spelled(dialect: ToolDialect, made: Sequence[tuple[str, object]], *, begin: str | None = None) -> str:
    """An answer's calls, as the grammar has them."""
    if not made:
        return ""
    texts = [
        f"{dialect.before_name}{json.dumps(name)}{dialect.before_arguments}{json.dumps(given)}{dialect.after}"
        for name, given in made
    ]
    return dialect.opening + (dialect.begins[0] if begin is None else begin) + dialect.between.join(texts) + dialect.end


def read(dialect: ToolDialect, pieces: list[str]) -> tuple[str, list[ToolCall]]:
    reader = CallReader(dialect)
    shown = ""
    made: list[ToolCall] = []
    for piece in pieces:
        text, new = reader.push(piece)
        shown += text
        made += new
    assert made == reader.made
    assert not made or not reader.calling
    return shown + reader.finish(), made


@every_dialect
@given(text=words, given_calls=calls, data=st.data())
def test_text_and_calls_are_the_same_however_the_answer_is_cut(
    dialect: ToolDialect, text: str, given_calls: list[tuple[str, object]], data: st.DataObject
) -> None:
    if (dialect.opening and dialect.opening in text) or text.startswith(dialect.before_name + '"'):
        return
    if not dialect.opening and given_calls:
        text = ""  # it knows calls at the beginning only
    answer = text + spelled(dialect, given_calls, begin=data.draw(st.sampled_from(dialect.begins)))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(answer)), max_size=8)))
    pieces = [answer[start:end] for start, end in zip([0, *cuts], [*cuts, len(answer)], strict=True)]
    for way in (pieces, list(answer), [answer]):
        shown, made = read(dialect, way)
        assert shown == text
        assert [(call.name, json.loads(call.arguments)) for call in made] == given_calls
        assert len({call.id for call in made}) == len(made)


@every_dialect
def test_a_call_that_the_end_cuts_is_told_as_far_as_it_came(dialect: ToolDialect) -> None:
    whole = spelled(dialect, [("add", {"a": "}]"}), ("say", {"b": [1, 2]})])
    for end in range(len(whole)):
        reader = CallReader(dialect)
        reader.push(whole[:end])
        if (cut := reader.cut()) is not None:
            assert reader.calling
            name, arguments = ("say", '{"b": [1, 2]}') if reader.made else ("add", '{"a": "}]"}')
            assert cut.name == name
            assert arguments.startswith(cut.arguments)


def test_text_that_only_begins_like_a_call_is_shown_as_soon_as_that_is_clear() -> None:
    reader = CallReader(HERMES)
    assert reader.push("a <tool")[0] == "a "
    assert reader.push("_c")[0] == ""
    assert reader.push("ase> <")[0] == "<tool_case> "
    assert reader.finish() == "<"


def test_a_call_comes_as_soon_as_it_is_complete() -> None:
    reader = CallReader(HERMES)
    answer = spelled(HERMES, [("add", {"a": 1})])
    assert reader.push(answer[:-1]) == ("", ())
    text, (call,) = reader.push(">")
    assert (text, call.name, call.arguments) == ("", "add", '{"a": 1}')
    assert call.id.startswith("call_")
    assert reader.push("\n") == ("", ())


@every_dialect
def test_a_call_that_repeats_itself_is_the_last(dialect: ToolDialect) -> None:
    once, other = ("add", {"a": 1}), ("add", {"a": 2})
    reader = CallReader(dialect)
    assert len(reader.push(spelled(dialect, [once, other, once, other]))[1]) == 2
    assert reader.repeats
    assert reader.push(spelled(dialect, [("add", {"a": 3})])) == ("", ())
    assert reader.finish() == ""


@every_dialect
def test_a_number_that_no_reader_takes_is_an_error(dialect: ToolDialect) -> None:
    answer = spelled(dialect, [("add", {"a": 1})]).replace('{"a": 1}', '{"a": 1e999}')
    with pytest.raises(ConstraintNotMet, match="a number that no reader of JSON takes"):
        CallReader(dialect).push(answer)
