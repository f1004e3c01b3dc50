"""How tools and answer forms are read from OpenAI's fields, and how calls are written."""

import json
from typing import Any

import pytest

from fireside.api.openai.fields import ChatInput, parse
from fireside.api.openai.requests import chat_choices
from fireside.api.openai.writers import ChatWriter
from fireside.chat.messages import Message, Tool, ToolCall
from fireside.errors import FeatureUnavailable, InvalidInput
from fireside.serving.types import Delta, JsonOutput, NamedTool, TextRequest, Usage
from support.live_server import LiveServer

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
TOOL = {"type": "function", "function": {"name": "weather", "description": "Tells it.", "parameters": SCHEMA}}
ASK = {"model": "@hf/a/b", "messages": [{"role": "user", "content": "hi"}]}
CALLS = (ToolCall("call_1", "weather", '{"city":"Rome"}'), ToolCall("call_2", "weather", "{}"))
USAGE = Usage(3, 4)


TURNS: list[dict[str, Any]] = [
    {"role": "assistant", "tool_calls": [{"id": "call_1", "function": {"name": "weather", "arguments": "{}"}}]},
    {"role": "tool", "content": "sunny", "tool_call_id": "call_1"},
]


def request(**change: Any) -> TextRequest:
    [only] = chat_choices(parse(ChatInput, {**ASK, **change}), "@hf/a/b", "acc").requests
    return only


@pytest.mark.parametrize(
    "change",
    [{"tools": [TOOL]}, {"response_format": {"type": "json_object"}}, {"messages": TURNS}],
)
def test_they_reach_the_model(shared_server: LiveServer, change: dict[str, Any]) -> None:
    model = "@cf/fireside/echo"
    said = shared_server.client.post("/v1/chat/completions", json={**ASK, "model": model, **change})
    assert said.status_code == 200, said.text
    expected = request(**change)
    seen = shared_server.service.requests[-1]
    assert (seen.tools, seen.structured_output, seen.messages) == (
        expected.tools,
        expected.structured_output,
        expected.messages,
    )


def test_tools_and_choices() -> None:
    bare = {"type": "function", "function": {"name": "now"}}
    asked = request(tools=[TOOL, bare])
    assert asked.tools == (Tool("weather", "Tells it.", SCHEMA), Tool("now", "", {}))
    assert asked.tool_choice == "auto"
    for choice in ("none", "auto", "required"):
        assert request(tools=[TOOL], tool_choice=choice).tool_choice == choice
    named = {"type": "function", "function": {"name": "now"}}
    assert request(tools=[TOOL, bare], tool_choice=named).tool_choice == NamedTool("now")


def test_turns_with_calls() -> None:
    assert request(messages=TURNS).messages == (
        Message("assistant", "", (ToolCall("call_1", "weather", "{}"),)),
        Message("tool", "sunny", tool_call_id="call_1"),
    )
    with pytest.raises(InvalidInput, match="tool_calls is allowed only with the role assistant"):
        request(messages=[{**TURNS[0], "role": "user", "content": "hi"}])


def test_answer_forms() -> None:
    wrapped = {"type": "json_schema", "json_schema": {"name": "place", "schema": SCHEMA, "strict": True}}
    assert request(response_format={"type": "json_object"}).structured_output == JsonOutput()
    assert request(response_format=wrapped).structured_output == JsonOutput(SCHEMA)
    assert request(response_format={"type": "json_schema", "json_schema": SCHEMA}).structured_output == JsonOutput(
        SCHEMA
    )
    assert request(response_format={"type": "text"}).structured_output is None
    with pytest.raises(InvalidInput, match=r"json_schema.schema is required beside json_schema.name"):
        request(response_format={"type": "json_schema", "json_schema": {"name": "place"}})
    with pytest.raises(FeatureUnavailable, match="response_format: not together with tools"):
        request(response_format=wrapped, tools=[TOOL])


def form(*, one_call: bool = False) -> ChatWriter:
    return ChatWriter(parse(ChatInput, {**ASK, "parallel_tool_calls": not one_call}), padded=False)


def choices(body: bytes) -> list[Any]:
    """What the frames say."""
    lines = body.decode().removesuffix("\n\n").split("\n\n")
    return [json.loads(line.removeprefix("data: "))["choices"][0] for line in lines]


@pytest.mark.parametrize(("one_call", "count"), [(False, 2), (True, 1)])
def test_a_whole_answer_with_calls(one_call: bool, count: int) -> None:
    said = json.loads(bytes(form(one_call=one_call).whole([Delta("", "tool_calls", USAGE, CALLS)], {}).body))
    [choice] = said["choices"]
    assert choice["finish_reason"] == "tool_calls"
    message = choice["message"]
    assert message["content"] is None
    assert (
        message["tool_calls"]
        == [
            {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Rome"}'}},
            {"id": "call_2", "type": "function", "function": {"name": "weather", "arguments": "{}"}},
        ][:count]
    )


@pytest.mark.parametrize(("one_call", "indexes"), [(False, [0, 1]), (True, [0])])
def test_streamed_calls_are_numbered(one_call: bool, indexes: list[int]) -> None:
    written = form(one_call=one_call)
    first = choices(written.piece(Delta("", tool_calls=CALLS[:1])))
    assert first[0]["delta"] == {"role": "assistant", "content": ""}
    last = choices(written.end(Delta("", "tool_calls", USAGE, CALLS[1:])))
    assert last[-1]["finish_reason"] == "tool_calls"
    calls = [call for choice in first + last for call in choice["delta"].get("tool_calls", [])]
    assert [call["index"] for call in calls] == indexes
    assert [call["id"] for call in calls] == ["call_1", "call_2"][: len(indexes)]
    assert {call["type"] for call in calls} == {"function"}
