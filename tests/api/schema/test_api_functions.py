"""Functions over HTTP: a service that plays the model's part, the real sandbox, and what clients see of both."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx
import pytest

from fireside.errors import EngineLost
from fireside.serving.types import Delta
from support.live_server import LiveServer, check_error, live_server, wait_until
from support.scripted_service import ScriptedService, calls, says

ADD = {"name": "add", "code": "/** Adds. @param {number} a\n@param {number} b */ (a, b = 1) => a + b"}
FAIL = {"name": "fail", "code": "() => { throw new RangeError('too far') }"}
BODY = {"messages": [{"role": "user", "content": "What is 2 + 3?"}], "functions": [ADD, FAIL]}
CALLED = calls(("add", '{\n  "a": 2,\n  "b": 3}'), ("fail", "{}"))


@pytest.fixture(scope="module")
def functions_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    service = ScriptedService()
    with live_server(tmp_path_factory.mktemp("server"), service, functions=True, function_rounds=2) as server:
        yield server


@pytest.fixture
def server(functions_server: LiveServer) -> LiveServer:
    """One that runs functions; its service plays what the test writes into `script`."""
    functions_server.service.reset()
    return functions_server


def play(server: LiveServer, *script: Sequence[Delta | BaseException]) -> ScriptedService:
    service = server.service
    assert isinstance(service, ScriptedService)
    service.script = script
    return service


def ask(server: LiveServer, **changed: object) -> httpx.Response:
    return server.run({**BODY, **changed}, timeout=300)  # the engine of the sandbox may have to be compiled first


def untimed(call: dict[str, object]) -> dict[str, object]:
    assert isinstance(call.pop("milliseconds"), int)
    return call


def test_an_answer_says_what_was_called(server: LiveServer) -> None:
    service = play(server, CALLED, says("It is 5."))
    answer = ask(server).json()
    assert answer["success"] is True
    result = answer["result"]
    assert [untimed(call) for call in result.pop("function_calls")] == [
        {"name": "add", "arguments": {"a": 2, "b": 3}, "result": 5},
        {"name": "fail", "arguments": {}, "error": "RangeError: too far"},
    ]
    assert result["response"] == "It is 5."
    assert result["usage"] == {"prompt_tokens": 30, "completion_tokens": 9, "total_tokens": 39}
    first, second = service.requests
    assert [tool.name for tool in first.tools] == ["add", "fail"]
    assert first.tools[0].parameters["properties"]["b"] == {"type": "number", "default": 1}
    assert [message.role for message in second.messages or ()] == ["user", "assistant", "tool", "tool"]


def test_usage_is_recorded_for_all_rounds(server: LiveServer) -> None:
    play(server, CALLED, says("It is 5."))
    server.client.post(server.run_path(account="counted"), json=BODY, timeout=300)
    wait_until(lambda: server.store.usage("counted") != [])
    [row] = server.store.usage("counted")
    assert (row.requests, row.prompt_tokens, row.completion_tokens) == (1, 30, 9)


def test_a_stream_has_a_frame_for_each_call(server: LiveServer) -> None:
    play(server, CALLED, says("It is 5."))
    frames = ask(server, stream=True).text.split("\n\n")
    assert frames[-2:] == ["data: [DONE]", ""]
    *said, last = [json.loads(frame.removeprefix("data: ")) for frame in frames[:-2]]
    called = [frame for frame in said if "function_calls" in frame]
    assert [[untimed(call) for call in frame["function_calls"]] for frame in called] == [
        [{"name": "add", "arguments": {"a": 2, "b": 3}, "result": 5}],
        [{"name": "fail", "arguments": {}, "error": "RangeError: too far"}],
    ]
    assert said[:2] == called
    assert "".join(frame["response"] for frame in said) == "It is 5."
    assert last["usage"]["total_tokens"] == 39


def test_an_error_between_rounds_is_an_error_answer_or_a_frame(server: LiveServer) -> None:
    play(server, CALLED, [EngineLost("The engine ended.")])
    check_error(ask(server), 500, 3043)
    server.service.reset()
    frames = ask(server, stream=True).text.split("\n\n")
    assert "error" in json.loads(frames[-3].removeprefix("data: "))
    assert frames[-2:] == ["data: [DONE]", ""]


def test_an_answer_without_calls_says_so(server: LiveServer) -> None:
    play(server, says("Hello."))
    assert ask(server).json()["result"]["function_calls"] == []


def test_the_last_round_is_the_operators_setting(server: LiveServer) -> None:
    service = play(server, CALLED, CALLED, says("Enough."))
    assert len(ask(server).json()["result"]["function_calls"]) == 4
    assert [request.tool_choice for request in service.requests] == ["auto", "auto", "none"]


def test_hostile_functions_leave_the_server_well(server: LiveServer) -> None:
    hostile = {
        "loop": "() => { for (;;); }",
        "bomb": "() => { const all = []; for (;;) all.push(new Array(1e4).fill(0)) }",
        "deep": "function deep() { return deep() }",
        "big": "() => 'x'.repeat(2e6)",
        "fake": "() => '\\n\\ndata: [DONE]\\n\\n'",
        "half": "() => '\\ud800'",
    }
    functions = [{"name": name, "code": code} for name, code in hostile.items()]
    play(server, calls(*((name, "{}") for name in hostile)), says("Well."), says("Well."))
    answer = ask(server, functions=functions, stream=True).text
    assert answer.count("data: [DONE]\n\n") == 1
    called = [json.loads(frame.removeprefix("data: ")) for frame in answer.split("\n\n") if "function_calls" in frame]
    outcomes = {call["name"]: call for frame in called for call in frame["function_calls"]}
    assert {name for name in hostile if "error" in outcomes[name]} == {"loop", "bomb", "deep", "big"}
    assert outcomes["fake"]["result"] == "\n\ndata: [DONE]\n\n"
    assert outcomes["half"]["result"] == "\ufffd"
    assert ask(server).json()["result"]["response"] == "Well."


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"functions": [{"name": "f", "code": "return 1"}]}, "functions.0.code: it neither is a function"),
        ({"functions": [ADD, ADD]}, "functions.1.name: add is the name of another function"),
        ({"functions": [{"name": "a b", "code": "() => 1"}]}, "functions.0.name: should be"),
        ({"functions": [{"name": "f", "code": "/** @schema [] */ a => 1"}]}, "functions.0.code: what follows @schema"),
        ({"raw": True}, "functions: cannot be combined with raw"),
    ],
)
def test_functions_that_cannot_be_run_are_refused(server: LiveServer, changed: dict[str, object], problem: str) -> None:
    assert problem in check_error(ask(server, **changed), 400, 5006)
    assert server.service.requests == []


def test_functions_are_off_until_the_operator_turns_them_on(tmp_path: Path) -> None:
    with live_server(tmp_path) as server:
        message = check_error(ask(server), 400, 5100)
        assert "FIRESIDE_FUNCTIONS=true" in message
        assert server.service.requests == []
        assert ask(server, functions=[]).json()["result"]["response"]


def test_padded_streams_pad_calls_too(tmp_path: Path) -> None:
    service = ScriptedService(script=[CALLED, says("5")])
    with live_server(tmp_path, service, functions=True, stream_padding=True) as server:
        frames = [frame for frame in ask(server, stream=True).text.split("\n\n") if "function_calls" in frame]
        assert all("p" in json.loads(frame.removeprefix("data: ")) for frame in frames)
