import json
from pathlib import Path

import msgspec
import pytest

from fireside.api.schema.run_output import usage_object
from fireside.chat.messages import ToolCall
from fireside.engine.types import Sampling
from fireside.serving.types import Usage
from support.echo_service import LORA, EchoService
from support.live_server import LiveServer, check_error, live_server, wait_until


def test_answers_a_prompt_in_the_envelope(shared_server: LiveServer) -> None:
    response = shared_server.run({"prompt": "where is new york?"})
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert response.headers["cf-ai-req-id"]
    assert "fireside-served-by" not in response.headers
    assert "server" not in response.headers
    usage = {"prompt_tokens": 4, "completion_tokens": 4, "total_tokens": 8}
    assert response.json() == {
        "result": {"response": "where is new york?", "usage": usage, "finish_reason": "stop"},
        "success": True,
        "errors": [],
        "messages": [],
    }


def test_streams_frames_usage_and_done(shared_server: LiveServer) -> None:
    response = shared_server.run({"prompt": 'one "two" drei', "stream": True})
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/event-stream"
    assert response.headers["cache-control"] == "no-cache"
    assert response.headers["x-accel-buffering"] == "no"
    assert response.headers["cf-ai-req-id"]
    frames = response.text.split("\n\n")
    assert frames.pop() == ""
    assert frames[-1] == "data: [DONE]"
    decoded = [json.loads(frame.removeprefix("data: ")) for frame in frames[:-1]]
    assert decoded == [
        {"response": "one"},
        {"response": ' "two"'},
        {"response": " drei"},
        {
            "response": "",
            "usage": {"prompt_tokens": 3, "completion_tokens": 3, "total_tokens": 6},
            "finish_reason": "stop",
        },
    ]


def test_usage_has_details_where_the_prompt_was_cached() -> None:
    plain = {"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12}
    assert msgspec.to_builtins(usage_object(Usage(10, 2))) == plain
    cached = {**plain, "prompt_tokens_details": {"cached_tokens": 8}}
    assert msgspec.to_builtins(usage_object(Usage(10, 2, 8))) == cached


def test_developer_is_another_word_for_system(server: LiveServer) -> None:
    body = {"messages": [{"role": "developer", "content": "Be brief."}, {"role": "user", "content": "hi"}]}
    assert server.run(body).status_code == 200
    [request] = server.service.requests
    assert [message.role for message in request.messages or ()] == ["system", "user"]


def test_null_content(shared_server: LiveServer) -> None:
    for role in ("user", "assistant", "system", "tool"):
        message = check_error(shared_server.run({"messages": [{"role": role, "content": None}]}), 400, 5006)
        assert message == "messages.0: content is null, which only a turn with tool_calls may have: give a text"
    missing = check_error(shared_server.run({"messages": [{"role": "user"}]}), 400, 5006)
    assert missing == "messages.0.content: Field required"


def test_an_answer_says_why_it_ended(shared_server: LiveServer) -> None:
    for words, reason in ((2, "length"), (20, "stop")):
        body = {"prompt": "one two three", "max_tokens": words}
        assert shared_server.run(body).json()["result"]["finish_reason"] == reason
        frames = shared_server.run({**body, "stream": True}).text.split("\n\n")[:-2]
        *said, last = [json.loads(frame.removeprefix("data: ")) for frame in frames]
        assert (last["response"], last["finish_reason"]) == ("", reason)
        assert all("finish_reason" not in frame for frame in said)


@pytest.mark.parametrize(
    "model",
    [
        "@hf/mistral/mistral-7b-instruct-v0.2",
        "@hf/mistral/mistral-7b-instruct-v0.2/",
        "%40hf%2Fmistral%2Fmistral-7b-instruct-v0.2",
        "@hf%2fmistral%2fmistral-7b-instruct-v0.2/",
    ],
)
def test_model_id_in_every_spelling(server: LiveServer, model: str) -> None:
    assert server.client.post(server.run_path(model), json={"prompt": "hi"}).status_code == 200
    assert [request.model for request in server.service.requests] == [LORA]


@pytest.mark.parametrize(
    "content_type", ["application/x-www-form-urlencoded", "text/plain", "multipart/form-data", None]
)
def test_json_whatever_the_content_type(shared_server: LiveServer, content_type: str | None) -> None:
    headers = {"content-type": content_type} if content_type else {}
    response = shared_server.client.post(shared_server.run_path(), content=b'{"prompt": "hi"}', headers=headers)
    assert response.json()["result"]["response"] == "hi"


def test_passes_every_field_on(server: LiveServer) -> None:
    body = {
        "messages": [
            {"role": "system", "content": "be brief"},
            {"role": "user", "content": [{"type": "text", "text": "a "}, {"type": "text", "text": "b"}]},
            {"role": "assistant", "content": None, "tool_calls": [{"name": "f", "arguments": {}}]},
            {"role": "tool", "content": "42"},
            {"role": "user", "content": "go on"},
        ],
        "raw": "true",
        "max_tokens": 7.0,
        "temperature": 0,
        "top_p": 2,
        "top_k": 50,
        "seed": 9_999_999_999,
        "repetition_penalty": 0,
        "frequency_penalty": -2,
        "presence_penalty": 2,
        "options": {"rejectIfBusy": True},
        "some_day": "perhaps",
        "lora": None,
        "tools": [],
    }
    assert server.run(body).status_code == 200
    [request] = server.service.requests
    assert request.messages is not None
    assert [(turn.role, turn.content) for turn in request.messages] == [
        ("system", "be brief"),
        ("user", "a b"),
        ("assistant", ""),
        ("tool", "42"),
        ("user", "go on"),
    ]
    assert request.messages[2].tool_calls == (ToolCall("", "f", "{}"),)
    assert request.prompt is None
    assert request.raw
    assert request.max_tokens == 7
    assert not request.wait
    assert request.sampling == Sampling(
        temperature=0, top_p=1, top_k=50, seed=9_999_999_999, frequency_penalty=-2, presence_penalty=2
    )


def test_defaults(server: LiveServer) -> None:
    assert server.run({"prompt": "hi"}).status_code == 200
    [request] = server.service.requests
    assert (request.raw, request.max_tokens, request.wait) == (False, 256, True)
    assert request.sampling == Sampling(temperature=0.6)


def test_stand_in_says_so(tmp_path: Path) -> None:
    with live_server(tmp_path, EchoService(stand_in="@cf/fireside/echo")) as server:
        response = server.client.post(server.run_path("@hf/gone/model"), json={"prompt": "hi"})
        assert response.headers["fireside-served-by"] == "@cf/fireside/echo"
        stream = server.client.post(server.run_path("@hf/gone/model"), json={"prompt": "hi", "stream": True})
        assert stream.headers["fireside-served-by"] == "@cf/fireside/echo"


def test_records_usage_of_both_kinds(fresh_server: LiveServer) -> None:
    server = fresh_server
    server.run({"prompt": "one two three", "max_tokens": 2})
    server.run({"prompt": "one two three", "stream": True})
    wait_until(lambda: [u.requests for u in server.store.usage("acc")] == [2])
    [usage] = server.store.usage("acc")
    assert (usage.model, usage.prompt_tokens, usage.completion_tokens) == ("@cf/fireside/echo", 6, 5)


def test_padding_only_where_it_was_asked_for(tmp_path: Path) -> None:
    with live_server(tmp_path, stream_padding=True) as server:
        frames = server.run({"prompt": "a b c d e f g h", "stream": True}).text.split("\n\n")
        words = [json.loads(frame[6:]) for frame in frames[:8]]
        assert "".join(word["response"] for word in words) == "a b c d e f g h"
        assert len({word["p"] for word in words}) > 1
