"""JSON mode, patterns and tools over HTTP, as the hosted service and OpenAI write them, with the echo engine."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from support import serve_echo
from support.live_server import check_error

RUN = "/client/v4/accounts/acc/ai/run/@hf/fireside/echo"
BINDING = "/client/v4/accounts/acc/ai/binding/run"
PERSON = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
ADD = {
    "name": "add",
    "description": "Adds two numbers.",
    "parameters": {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]},
}
OPENAI_ADD = {"type": "function", "function": {**ADD, "strict": True}}
CALL = '<tool_call>\n{"name": "add", "arguments": {"a": 1}}\n</tool_call>'


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """Of a whole server with the real service."""
    with subprocess.Popen(
        [sys.executable, serve_echo.__file__],
        env={**os.environ, "FIRESIDE_DATA_DIR": str(tmp_path_factory.mktemp("data"))},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        with httpx.Client(base_url=url, timeout=60, trust_env=False) as made:
            yield made
        process.terminate()


def run(client: httpx.Client, text: str, **fields: Any) -> Any:
    """The result of a conversation of one message."""
    body = {"messages": [{"role": "user", "content": text}], "temperature": 0, **fields}
    response = client.post(RUN, json=body)
    assert response.status_code == 200, response.text
    return response.json()["result"]


def stream(client: httpx.Client, text: str, **fields: Any) -> list[Any]:
    """All frames, the end's text last."""
    body = {"messages": [{"role": "user", "content": text}], "stream": True, **fields}
    response = client.post(RUN, json=body)
    assert response.headers["content-type"] == "text/event-stream"
    *frames, done, rest = response.text.split("\n\n")
    assert (done, rest) == ("data: [DONE]", "")
    return [json.loads(frame.removeprefix("data: ")) for frame in frames]


# JSON mode


@pytest.mark.parametrize(
    "response_format",
    [
        {"type": "json_schema", "json_schema": PERSON},
        {"type": "json_schema", "json_schema": {"name": "person", "strict": True, "schema": PERSON}},
        {"type": "json_object", "json_schema": PERSON},
    ],
    ids=["workers-ai", "openai", "json_object"],
)
def test_json_mode_answers_an_object(client: httpx.Client, response_format: dict[str, Any]) -> None:
    result = run(client, "Ann", response_format=response_format)
    assert result == {
        "response": {"name": "Ann"},
        "usage": {"prompt_tokens": 3, "completion_tokens": 14, "total_tokens": 17},
        "finish_reason": "stop",
    }


def test_guided_json_is_another_word_for_it(client: httpx.Client) -> None:
    assert run(client, "Ann", guided_json=PERSON)["response"] == {"name": "Ann"}
    assert run(client, '{"any": 1}', guided_json={})["response"] == {"any": 1}
    both = {"prompt": "Ann", "guided_json": PERSON, "response_format": {"type": "json_object"}}
    assert "not with response_format" in check_error(client.post(RUN, json=both), 400, 5006)


def test_json_mode_for_a_prompt_and_over_the_binding(client: httpx.Client) -> None:
    fields = {"prompt": '{"a": [1, 2.50, "é"]}', "response_format": {"type": "json_object"}}
    expected = {"a": [1, 2.5, "é"]}
    assert client.post(RUN, json=fields).json()["result"]["response"] == expected
    bare = client.post(BINDING, json={"inputs": fields}, headers={"cf-consn-model-id": "@hf/fireside/echo"})
    assert bare.json()["response"] == expected


def test_json_mode_may_answer_any_json_that_the_schema_takes(client: httpx.Client) -> None:
    for schema, value in (({"type": "array"}, [1, None]), ({"const": None}, None), ({"type": "number"}, 7), (True, {})):
        answer = run(client, json.dumps(value), response_format={"type": "json_schema", "json_schema": schema})
        assert answer["response"] == value


def test_json_mode_streams_its_text(client: httpx.Client) -> None:
    frames = stream(client, "Ann", response_format={"type": "json_schema", "json_schema": PERSON})
    assert json.loads("".join(frame["response"] for frame in frames)) == {"name": "Ann"}
    assert frames[-1]["usage"]["completion_tokens"] == 14
    assert all("tool_calls" not in frame for frame in frames)


def test_a_pattern_and_plain_text(client: httpx.Client) -> None:
    assert run(client, "no!", response_format={"type": "regex", "regex": "yes|no"})["response"] == "no"
    assert run(client, "no!", response_format={"type": "text"})["response"] == "no!"


def test_json_that_max_tokens_cut_is_an_error(client: httpx.Client) -> None:
    body = {"prompt": "Ann", "max_tokens": 5, "response_format": {"type": "json_schema", "json_schema": PERSON}}
    message = check_error(client.post(RUN, json=body), 400, 5024)
    assert message.startswith("JSON Mode couldn't be met: the answer reached max_tokens (5)")


def test_json_that_max_tokens_cut_in_a_stream_ends_it_with_the_error(client: httpx.Client) -> None:
    *pieces, last = stream(client, "Ann", max_tokens=5, response_format={"type": "json_object", "json_schema": PERSON})
    assert "".join(piece["response"] for piece in pieces) == '{"nam'
    assert last["error"]["code"] == 5024
    assert last["error"]["message"].startswith("JSON Mode couldn't be met")


@pytest.mark.parametrize(
    ("response_format", "wrong"),
    [
        ({"type": "json_schema", "json_schema": {"uniqueItems": True}}, "at /uniqueItems, cannot be used"),
        (
            {"type": "json_schema", "json_schema": {"properties": {"a": {"not": {"type": "null"}}}}},
            "The JSON schema, at /properties/a/not, cannot be used: not is not supported. Say what the value may be",
        ),
        ({"type": "json_schema", "json_schema": {"type": "object", "minProperties": 2}}, "minProperties above 1"),
        ({"type": "json_schema", "json_schema": {"$ref": "http://127.0.0.1/x"}}, "nothing is fetched"),
        ({"type": "json_schema", "json_schema": {"schema": False}}, "no value fits false"),
        ({"type": "json_schema", "json_schema": {"name": "x"}}, "json_schema.schema is required"),
        ({"type": "regex", "regex": "(?=a)"}, "look-around"),
    ],
)
@pytest.mark.parametrize("streamed", [False, True])
def test_a_form_that_cannot_be_is_refused_by_what_is_wrong_with_it(
    client: httpx.Client, response_format: dict[str, Any], wrong: str, streamed: bool
) -> None:
    body = {"prompt": "x", "response_format": response_format, "stream": streamed}
    assert wrong in check_error(client.post(RUN, json=body), 400, 5006)


def test_hostile_schemas_leave_the_server_as_it_was(client: httpx.Client) -> None:
    deep: dict[str, Any] = {"type": "string"}
    for _ in range(300):
        deep = {"items": deep}
    links = {f"d{n}": {"properties": {"a": {"$ref": f"#/$defs/d{n + 1}"}}} for n in range(3000)}
    for schema in (deep, {"$defs": links, "$ref": "#/$defs/d0"}, {"enum": [f"{n}" for n in range(50_000)]}):
        body = {"prompt": "x", "response_format": {"type": "json_schema", "json_schema": schema}}
        check_error(client.post(RUN, json=body), 400, 5006)
        assert run(client, "still here")["response"] == "still here"


# Tools


def check_call(call: dict[str, Any], index: int, name: str, arguments: object) -> None:
    """Both of its forms, and an id."""
    assert (call["name"], call["arguments"]) == (name, arguments)
    assert (call["index"], call["type"], call["function"]["name"]) == (index, "function", name)
    assert json.loads(call["function"]["arguments"]) == arguments
    assert call["id"]


@pytest.mark.parametrize("tool", [ADD, OPENAI_ADD], ids=["workers-ai", "openai"])
def test_a_call_stands_beside_the_response(client: httpx.Client, tool: dict[str, Any]) -> None:
    result = run(client, f"Let me add. {CALL}", tools=[tool])
    [call] = result["tool_calls"]
    check_call(call, 0, "add", {"a": 1})
    assert result["response"] == "Let me add."
    assert run(client, CALL, tools=[tool])["response"] is None


def test_an_answer_without_calls(client: httpx.Client) -> None:
    result = run(client, "Hi", tools=[ADD])
    assert (result["response"], result["tool_calls"]) == ("Hi", [])
    assert run(client, CALL, tools=[ADD], tool_choice="none")["response"] == CALL
    assert "tool_calls" not in run(client, "Hi")


@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "add"}}])
def test_a_call_that_must_be(client: httpx.Client, choice: object) -> None:
    result = run(client, "No!", tools=[OPENAI_ADD], tool_choice=choice)
    (call,) = result["tool_calls"]
    assert call["name"] == "add"
    assert isinstance(call["arguments"]["a"], int)


def test_a_stream_has_calls_in_frames_of_their_own(client: httpx.Client) -> None:
    frames = stream(client, f"Hm. {CALL}", tools=[ADD])
    assert "".join(frame["response"] for frame in frames) == "Hm. "
    [call] = [call for frame in frames for call in frame.get("tool_calls", [])]
    check_call(call, 0, "add", {"a": 1})
    assert "usage" in frames[-1]
    assert frames[-1]["finish_reason"] == "tool_calls"


def test_several_calls_are_told_apart(client: httpx.Client) -> None:
    prompt = f"{CALL}\n{CALL.replace('1', '2')}"
    frames = stream(client, prompt, tools=[ADD])
    result = run(client, prompt, tools=[ADD])
    assert result["finish_reason"] == "tool_calls"
    for calls in (result["tool_calls"], [call for frame in frames for call in frame.get("tool_calls", [])]):
        one, two = calls
        check_call(one, 0, "add", {"a": 1})
        check_call(two, 1, "add", {"a": 2})
        assert one["id"] != two["id"]


def test_a_call_that_max_tokens_cut_is_an_error(client: httpx.Client) -> None:
    body = {"messages": [{"role": "user", "content": CALL}], "tools": [ADD], "max_tokens": 40}
    check_error(client.post(RUN, json=body), 400, 5024)
    *_, last = stream(client, f"Hm. {CALL}", tools=[ADD], max_tokens=40)
    assert last["error"]["code"] == 5024


@pytest.mark.parametrize(
    "turn",
    [
        {"tool_calls": [{"name": "add", "arguments": {"a": 1}}]},
        {"content": None, "tool_calls": [{"name": "add", "arguments": '{"a": 1}'}]},
        {
            "content": "",
            "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}],
        },
    ],
    ids=["workers-ai", "text", "openai"],
)
def test_a_conversation_with_calls_and_results_reaches_the_model(client: httpx.Client, turn: dict[str, Any]) -> None:
    messages = [
        {"role": "user", "content": "1+1?"},
        {"role": "assistant", **turn},
        {"role": "tool", "tool_call_id": "c1", "name": "add", "content": "2"},
    ]
    said = client.post(RUN, json={"messages": messages}).json()["result"]["response"]
    assert said == f"1+1?\n{CALL}\n<tool_response>\nadd: 2\n</tool_response>"


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"tools": [ADD], "raw": True}, "tools: not with raw"),
        ({"tools": [ADD], "response_format": {"type": "json_object"}}, "response_format: not with tools"),
        ({"tools": [{**ADD, "parameters": {"type": "array"}}]}, "must be a JSON schema of type object"),
        (
            {"tools": [{**ADD, "parameters": {"properties": {"a": {"type": "int"}}}}]},
            'tools: the parameters of "add", at /properties/a/type, cannot be used',
        ),
        (
            {"messages": [{"role": "assistant", "tool_calls": [{"name": "add", "arguments": "[1"}]}]},
            "the JSON text of one",
        ),
        ({"messages": [{"role": "assistant", "tool_calls": [{"arguments": {}}]}]}, "messages.0.tool_calls.0.name"),
    ],
)
def test_tools_that_cannot_be_are_refused_by_what_is_wrong(
    client: httpx.Client, fields: dict[str, Any], wrong: str
) -> None:
    body = {"messages": [{"role": "user", "content": "x"}], **fields}
    assert wrong in check_error(client.post(RUN, json=body), 400, 5006)


def test_tools_go_with_a_json_answer_when_they_may_not_be_called(client: httpx.Client) -> None:
    assert run(client, "x", tools=[ADD], tool_choice="none", response_format={"type": "json_object"})["response"] == {}


def test_the_bindings_errors_have_the_same_code(client: httpx.Client) -> None:
    inputs = {"prompt": "x", "max_tokens": 1, "response_format": {"type": "json_object"}}
    response = client.post(BINDING, json={"inputs": inputs}, headers={"cf-consn-model-id": "@hf/fireside/echo"})
    assert (response.status_code, response.json()["internalCode"]) == (400, 5024)
