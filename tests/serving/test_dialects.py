"""What the grammar of a dialect lets through, the reader of calls understands, and prompts have it the same way."""

import json
from typing import Any

import pytest

from fireside.chat.formats import formats
from fireside.chat.messages import Tool, ToolCall
from fireside.serving.calls import CallReader
from fireside.serving.grammars import tools_grammar
from fireside.serving.types import NamedTool
from support.grammars import ramble, takes

DIALECTS = {chat.dialect: chat.name for chat in formats().values()}
ADD = Tool("add", "", {
    "properties": {"a": {"type": "integer"}}, "required": ["a"], "additionalProperties": False,
})  # fmt: skip
SAY = Tool('s"ay', "", {"properties": {"words": {"enum": ["}", '</tool_call>"', "]; \\"]}}, "required": ["words"]})
ONE = ToolCall("", "add", '{"a": 1}')
TWO = ToolCall("", 's"ay', '{"words": "]; \\\\"}')
OFFERED = {"add": {"a"}, 's"ay': {"words"}}
every_dialect = pytest.mark.parametrize("dialect", DIALECTS, ids=DIALECTS.values())


def grammar(dialect: Any, choice: Any, *, spaced: bool = False) -> str:
    tools = [tool for tool in (ADD, SAY) if not isinstance(choice, NamedTool) or tool.name == choice.name]
    return tools_grammar(dialect, tools, choice, spaced=spaced)


def as_prompted(dialect: Any, *calls: ToolCall) -> str:
    return "".join(piece.text for piece in dialect.pieces(calls))


@every_dialect
@pytest.mark.parametrize("choice", ["auto", "required", NamedTool("add")])
def test_calls_as_prompts_have_them_fit(dialect: Any, choice: Any) -> None:
    wanted = grammar(dialect, choice)
    assert takes(wanted, as_prompted(dialect, ONE))
    assert takes(wanted, as_prompted(dialect, ONE, TWO)) == (not isinstance(choice, NamedTool))
    assert takes(grammar(dialect, choice, spaced=True), " " + as_prompted(dialect, ONE))


@every_dialect
def test_what_is_no_call_of_a_tool_does_not_fit(dialect: Any) -> None:
    whole = as_prompted(dialect, ONE)
    for choice in ("auto", "required"):
        for wrong in (
            whole.replace('"add"', '"sub"'),
            whole.replace('"a": 1', '"a": "one"'),
            whole + "and more",
            whole[: len(whole) // 2],
        ):
            assert not takes(grammar(dialect, choice), wrong), wrong
    assert takes(grammar(dialect, "auto"), "Words\nalone {")
    assert not takes(grammar(dialect, "required"), "Words")
    before = f"Words, and {whole}"
    # A dialect without an opening knows calls at the beginning only: there this is text.
    assert takes(grammar(dialect, "auto"), before)
    assert takes(grammar(dialect, "auto"), before[:-3]) == (not dialect.opening)


@every_dialect
@pytest.mark.parametrize("choice", ["auto", "required"])
def test_whatever_fits_is_read(dialect: Any, choice: Any) -> None:
    for seed in range(12):
        said = ramble(grammar(dialect, choice), seed)
        reader = CallReader(dialect, nothing_else=choice == "required")
        text = "".join(reader.push(letter)[0] for letter in said) + reader.finish()
        assert choice == "auto" or (reader.made and not text)
        assert reader.made or text == said
        for call in reader.made:
            assert set(json.loads(call.arguments)) >= OFFERED[call.name]
