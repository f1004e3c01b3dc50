"""OpenAI's routes over real HTTP: shapes to the letter, both bases, streams, errors, accounts."""

import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from fireside.chat.messages import Message
from fireside.engine.types import Sampling
from support.adapters import make_adapter
from support.echo_service import AWQ, LORA, LORA_ALIAS, PLAIN, EchoService
from support.live_server import LiveServer, check_openai_error, live_server, wait_until

HOSTED = "/client/v4/accounts/acc/ai/v1"
BASES = [HOSTED, "/v1"]
SAY = {"model": PLAIN, "messages": [{"role": "user", "content": "one two three"}]}


def post(server: LiveServer, path: str, body: object, base: str = HOSTED) -> httpx.Response:
    return server.client.post(f"{base}/{path}", json=body)


def frames(response: httpx.Response) -> list[dict[str, Any]]:
    """The JSON frames of a stream that ended as it should."""
    assert response.headers["content-type"] == "text/event-stream"
    *lines, done, end = response.text.split("\n\n")
    assert (done, end) == ("data: [DONE]", "")
    return [json.loads(line.removeprefix("data: ")) for line in lines]


def error(response: httpx.Response, status: int) -> dict[str, Any]:
    check_openai_error(response, status, response.json()["errors"][0]["code"])
    found: dict[str, Any] = response.json()["error"]
    return found


@pytest.mark.parametrize("base", BASES)
def test_a_chat_completion(shared_server: LiveServer, base: str) -> None:
    response = post(shared_server, "chat/completions", SAY, base)
    assert response.headers["content-type"] == "application/json"
    said = response.json()
    assert re.fullmatch(r"chatcmpl-[0-9a-f]{32}", said.pop("id"))
    assert said.pop("created") > 1_700_000_000
    assert said == {
        "object": "chat.completion",
        "model": PLAIN,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "one two three", "refusal": None},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 3, "completion_tokens": 3, "total_tokens": 6},
    }


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("include_usage", [False, True])
def test_a_streamed_chat_completion(shared_server: LiveServer, base: str, include_usage: bool) -> None:
    options = {"stream": True, "stream_options": {"include_usage": include_usage}, "max_tokens": 2}
    found = frames(post(shared_server, "chat/completions", {**SAY, **options}, base))
    same = {"object": "chat.completion.chunk", "model": PLAIN, "id": found[0]["id"], "created": found[0]["created"]}
    same |= {"usage": None} if include_usage else {}
    none = {"index": 0, "logprobs": None, "finish_reason": None}
    parts = [{"role": "assistant", "content": ""}, {"content": "one"}, {"content": " two"}]
    expected: list[dict[str, Any]] = [{**same, "choices": [{**none, "delta": part}]} for part in parts]
    expected.append({**same, "choices": [{**none, "delta": {}, "finish_reason": "length"}]})
    if include_usage:
        usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
        expected.append({**same, "choices": [], "usage": usage})
    assert found == expected


@pytest.mark.parametrize("base", BASES)
def test_a_completion(server: LiveServer, base: str) -> None:
    said = post(server, "completions", {"model": PLAIN, "prompt": ["one two"]}, base).json()
    assert re.fullmatch(r"cmpl-[0-9a-f]{32}", said.pop("id"))
    assert said.pop("created") > 1_700_000_000
    assert said == {
        "object": "text_completion",
        "model": PLAIN,
        "choices": [{"index": 0, "text": "one two", "logprobs": None, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 2, "completion_tokens": 2, "total_tokens": 4},
    }
    [request] = server.service.requests
    assert (request.prompt, request.raw, request.max_tokens, request.clip) == ("one two", True, 16, True)


def test_a_streamed_completion(shared_server: LiveServer) -> None:
    options = {"model": PLAIN, "prompt": "one two", "stream": True, "stream_options": {"include_usage": True}}
    found = frames(post(shared_server, "completions", options))
    assert [frame["choices"] for frame in found] == [
        [{"index": 0, "text": "one", "logprobs": None, "finish_reason": None}],
        [{"index": 0, "text": " two", "logprobs": None, "finish_reason": None}],
        [{"index": 0, "text": "", "logprobs": None, "finish_reason": "stop"}],
        [],
    ]
    assert [frame["usage"] for frame in found] == [
        *[None] * 3,
        {"prompt_tokens": 2, "completion_tokens": 2, "total_tokens": 4},
    ]
    assert {(frame["object"], frame["id"]) for frame in found} == {("text_completion", found[0]["id"])}


def test_every_field_arrives(server: LiveServer) -> None:
    body = {
        "model": PLAIN,
        "messages": [
            {"role": "developer", "content": "be brief"},
            {"role": "user", "content": [{"type": "text", "text": "on"}, {"type": "text", "text": "e"}], "name": "ann"},
            {"role": "tool", "content": "42", "tool_call_id": "call_1"},
        ],
        "max_tokens": 9,
        "max_completion_tokens": 7.0,
        "temperature": 5,
        "top_p": 0.5,
        "frequency_penalty": -2,
        "presence_penalty": 2,
        "seed": 11,
        "stop": ["END", "\n\n"],
        "n": 1,
        "logit_bias": {},
        "logprobs": False,
        "user": "ann",
        "metadata": {"a": "b"},
        "response_format": {"type": "text"},
        "tools": [],
        "tool_choice": "none",
        "parallel_tool_calls": False,
        "options": {"rejectIfBusy": True},
        "reasoning_effort": "none",
        "stream_options": None,
        "store": None,
    }
    assert post(server, "chat/completions", body).status_code == 200
    [request] = server.service.requests
    assert request.messages == (
        Message("system", "be brief"),
        Message("user", "one"),
        Message("tool", "42", tool_call_id="call_1"),
    )
    assert (request.max_tokens, request.clip, request.stop) == (7, False, ("END", "\n\n"))
    assert (request.account, request.raw, request.wait) == ("acc", False, False)
    assert request.sampling == Sampling(
        temperature=5, top_p=0.5, seed=11, frequency_penalty=-2, presence_penalty=2, top_k=0, repetition_penalty=1
    )


def test_defaults(server: LiveServer) -> None:
    assert post(server, "chat/completions", SAY).status_code == 200
    [request] = server.service.requests
    assert (request.max_tokens, request.clip, request.stop) == (4096, True, ())
    assert request.sampling == Sampling(temperature=0.6)
    assert (request.structured_output, request.tools, request.tool_choice) == (None, (), "auto")


@pytest.mark.parametrize(("given", "engine"), [(0, 0), (7, 7), (-1, 2**63 - 1), (2**63 - 1, 2**63 - 1), (-(2**63), 0)])
def test_any_seed_is_one(server: LiveServer, given: int, engine: int) -> None:
    assert post(server, "chat/completions", {**SAY, "seed": given}).status_code == 200
    assert server.service.requests[0].sampling.seed == engine


def test_one_stop_text(server: LiveServer) -> None:
    assert post(server, "completions", {"model": PLAIN, "prompt": "hi", "stop": "END"}).status_code == 200
    assert server.service.requests[0].stop == ("END",)


@pytest.mark.parametrize("place", ["chat/completions", "completions"])
def test_stream_options_without_a_stream(shared_server: LiveServer, place: str) -> None:
    body = SAY if place == "chat/completions" else {"model": PLAIN, "prompt": "hi"}
    for fields in ({}, {"stream": False}, {"stream": None}):
        response = post(shared_server, place, {**body, "stream_options": {"include_usage": True}, **fields})
        said = error(response, 400)
        assert (said["param"], said["message"]) == ("stream_options", "stream_options: requires stream: true")
    assert post(shared_server, place, {**body, "stream_options": None}).status_code == 200


@pytest.mark.parametrize("base", BASES)
def test_models(shared_server: LiveServer, base: str) -> None:
    listed = shared_server.client.get(f"{base}/models").json()
    assert listed["object"] == "list"
    assert [model["id"] for model in listed["data"]] == [PLAIN, LORA, LORA_ALIAS, AWQ]
    [one] = [model for model in listed["data"] if model["id"] == LORA]
    assert one == {"id": LORA, "object": "model", "created": 1706745600, "owned_by": "mistral"}
    for spelling in (LORA, LORA.replace("@", "%40").replace("/", "%2F"), f"{LORA}/"):
        assert shared_server.client.get(f"{base}/models/{spelling}").json() == one
    assert error(shared_server.client.get(f"{base}/models/@hf/no/such"), 404)["code"] == "model_not_found"


WRONG: list[tuple[dict[str, Any], str, str | None]] = [
    ({"messages": None}, "messages: Field required", "messages"),
    ({"messages": []}, "messages: ", "messages"),
    (
        {"messages": [{"role": "robot", "content": "hi"}]},
        "messages.0.role: should be 'system', 'developer'",
        "messages",
    ),
    ({"messages": [{"role": "user"}]}, "messages.0: content is missing", "messages"),
    ({"messages": [{"role": "tool", "content": "42"}]}, "tool_call_id is missing", "messages"),
    ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]}, "array of", "messages"),
    ({"max_tokens": 0}, "max_tokens: should be greater than or equal to 1", "max_tokens"),
    ({"max_completion_tokens": "5"}, "max_completion_tokens: should be a valid integer", "max_completion_tokens"),
    ({"temperature": 5.01}, "temperature: should be less than or equal to 5", "temperature"),
    ({"temperature": "warm"}, "temperature: should be a valid number", "temperature"),
    ({"seed": 2**63}, "seed: ", "seed"),
    ({"stop": ["x"] * 17}, "stop: List should have at most 16 items", "stop"),
    ({"stop": ""}, "stop.0: String should have at least 1 character", "stop"),
    ({"tool_choice": "required"}, "tool_choice: there are no tools to call", "tool_choice"),
    (
        {"tool_choice": {"type": "function", "function": {"name": "f"}}},
        "tool_choice: tools has no 'f'",
        "tool_choice",
    ),
    ({"tools": [{"type": "function", "function": {"name": "f"}}] * 2}, "tools: two have the name 'f'", "tools"),
    ({"n": 0}, "n: should be greater than or equal to 1", "n"),
    ({"n": 129}, "n: should be less than or equal to 128", "n"),
    ({"top_logprobs": 3}, "top_logprobs: requires logprobs: true", "top_logprobs"),
    ({"logprobs": True, "top_logprobs": 21}, "top_logprobs: should be less than or equal to 20", "top_logprobs"),
    ({"logprobs": 1}, "logprobs: should be a valid boolean", "logprobs"),
    ({"logit_bias": {"a": 1}}, "logit_bias: should map token ids to numbers from -100 to 100", "logit_bias"),
    ({"logit_bias": {"5": 101}}, "logit_bias: should map token ids", "logit_bias"),
    ({"logit_bias": [5]}, "logit_bias: should be a map", "logit_bias"),
    ({"min_p": 1.5}, "min_p: should be less than or equal to 1", "min_p"),
    ({"top_k": -2}, "top_k: should be greater than or equal to -1", "top_k"),
    ({"min_tokens": 9, "max_tokens": 8}, "min_tokens: should be at most max_tokens", "min_tokens"),
    ({"stop_token_ids": [-1]}, "stop_token_ids.0: should be greater than or equal to 0", "stop_token_ids"),
    ({"guided_choice": []}, "guided_choice: List should have at least 1 item", "guided_choice"),
    ({"guided_json": "{"}, "guided_json: should be a JSON schema, or the JSON text of one", "guided_json"),
    ({"guided_regex": "a", "guided_choice": ["a"]}, "guided_choice: not with guided_regex", "guided_choice"),
    ({"structured_outputs": {}}, "structured_outputs: should have one of json", "structured_outputs"),
    ({"structured_outputs": {"regex": "a", "choice": ["a"]}}, "should have one of json", "structured_outputs"),
    ({"structured_outputs": {"structural_tag": "{}"}}, "structural_tag is not offered", "structured_outputs"),
    ({"metadata": 5}, "metadata: should be a valid dictionary", "metadata"),
    ({"user": 5}, "user: should be a valid string", "user"),
    ({"continue_final_message": True}, "the last message must be the assistant's", "continue_final_message"),
    ({"add_generation_prompt": False}, "the assistant's turn always begins", "add_generation_prompt"),
    ({"request_id": "a b"}, "request_id: String should match pattern", "request_id"),
    ({"modalities": ["text", "audio"]}, "modalities: this server reads and writes text only", "modalities"),
    ({"no_such_field": None, "nor this one": 1}, "nor this one: unknown field: leave it out", None),
    ({"no_such_field": 0}, "no_such_field: unknown field: leave it out", "no_such_field"),
    ({"messages": [{"role": "assistant", "content": "", "refusal": "no"}]}, "refusal is not supported", "messages"),
    ({"functions": [{"name": "f"}]}, "functions: OpenAI has replaced this field", "functions"),
]


@pytest.mark.parametrize(("change", "message", "param"), WRONG)
def test_wrong_fields_are_named(
    shared_server: LiveServer, change: dict[str, Any], message: str, param: str | None
) -> None:
    said = error(post(shared_server, "chat/completions", {**SAY, **change}), 400)
    assert message in said["message"]
    assert (said["type"], said["param"]) == ("invalid_request_error", param)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"prompt": None}, "prompt: Field required"),
        ({"prompt": ""}, "prompt: each should have 1 to 131072 characters"),
        ({"prompt": ["a", ""]}, "prompt: each should have 1 to 131072 characters"),
        ({"prompt": []}, "prompt: each should have at least one token"),
        ({"prompt": [[]]}, "prompt: each should have at least one token"),
        ({"prompt": [1, "a"]}, "prompt: should be a text, a list of token ids, or a list of either"),
        ({"prompt": [-1]}, "prompt: should be a text, a list of token ids, or a list of either"),
        ({"prompt": [True]}, "prompt: should be a text, a list of token ids, or a list of either"),
        ({"prompt": ["a"] * 129}, "prompt: should be at most 128 prompts"),
        ({"prompt": ["a"] * 65, "n": 2}, "prompt: 65 prompts with 2 answers each exceed the limit of 128 answers"),
        ({"suffix": "end"}, "suffix: this server does not fill in"),
        ({"best_of": 2, "n": 3}, "best_of: should be at least n"),
        ({"best_of": 2, "stream": True}, "best_of: cannot exceed n when streaming"),
        ({"min_tokens": 17}, "min_tokens: should be at most max_tokens, which is 16"),
        ({"max_tokens": 0}, "max_tokens: 0 requires echo: true"),
        ({"logprobs": 21}, "logprobs: should be less than or equal to 20"),
        ({"prompt_logprobs": 1}, "prompt_logprobs: not offered: ask for logprobs"),
    ],
)
def test_wrong_fields_of_completions_are_named(shared_server: LiveServer, change: dict[str, Any], message: str) -> None:
    assert (
        message in error(post(shared_server, "completions", {"model": PLAIN, "prompt": "hi", **change}), 400)["message"]
    )


@pytest.mark.parametrize(
    ("model", "text", "status", "code", "kind", "param"),
    [
        ("@hf/no/such", "hi", 404, "model_not_found", "invalid_request_error", "model"),
        ("gpt-5", "hi", 404, "model_not_found", "invalid_request_error", "model"),
        (PLAIN, "x " * 5000, 400, "context_length_exceeded", "invalid_request_error", None),
        (PLAIN, "!busy", 429, "rate_limit_exceeded", "rate_limit_error", None),
        (PLAIN, "!lost", 500, "engine_lost", "server_error", None),
        (PLAIN, "!retired", 404, "model_not_found", "invalid_request_error", None),
        (PLAIN, "!missing", 503, "model_not_downloaded", "server_error", None),
        (PLAIN, "!bug", 500, "internal_error", "server_error", None),
        (f"{LORA}:nobody", "hi", 404, "fine_tune_not_found", "invalid_request_error", "lora"),
        (f"{AWQ}:any", "hi", 400, "lora_unsupported", "invalid_request_error", "lora"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_errors_have_openais_shape(
    shared_server: LiveServer, model: str, text: str, status: int, code: str, kind: str, param: str, stream: bool
) -> None:
    body = {"model": model, "messages": [{"role": "user", "content": text}], "stream": stream}
    response = post(shared_server, "chat/completions", body)
    said = error(response, status)
    assert (said["code"], said["type"], said["param"]) == (code, kind, param)
    assert "secret" not in said["message"]
    assert ("retry-after" in response.headers) == (status == 429)


@pytest.mark.parametrize("base", BASES)
def test_errors_before_the_routes_have_it_too(shared_server: LiveServer, base: str) -> None:
    client = shared_server.client
    assert error(client.post(f"{base}/chat/completions", content=b"{"), 400)["code"] == "bad_body"
    assert error(client.get(f"{base}/chat/completions"), 405)["code"] == "method_not_allowed"
    assert error(client.get(f"{base}/nowhere"), 404)["code"] == "no_such_route"
    assert error(client.get(f"{base}/models", headers={"host": "example.com"}), 403)["type"] == "permission_error"


def test_an_error_in_a_stream_is_a_frame(shared_server: LiveServer) -> None:
    body = {"model": PLAIN, "messages": [{"role": "user", "content": "!later:lost"}], "stream": True}
    found = frames(post(shared_server, "chat/completions", body))
    assert [choice["finish_reason"] for choice in found[-1]["choices"]] == ["error"]
    assert [frame["choices"][0]["delta"] for frame in found[:-1]] == [
        {"role": "assistant", "content": ""},
        {"content": "first"},
    ]
    assert found[-1]["error"]["code"] == "engine_lost"
    assert found[-1]["errors"][0]["code"] == 3043


def test_keep_alives_come_before_the_first_token(tmp_path: Path) -> None:
    with live_server(tmp_path, EchoService(prefill=0.3), keep_alive_seconds=0.05) as server:
        text = post(server, "chat/completions", {**SAY, "stream": True}).text
        assert text.startswith(": keep-alive\n\n")
        assert text.endswith("data: [DONE]\n\n")


def test_padding(tmp_path: Path) -> None:
    with live_server(tmp_path, stream_padding=True) as server:
        found = frames(post(server, "chat/completions", {**SAY, "stream": True}))
        assert all(isinstance(frame["obfuscation"], str) for frame in found)
        found = frames(post(server, "completions", {"model": PLAIN, "prompt": "hi", "stream": True}))
        assert all(isinstance(frame["obfuscation"], str) for frame in found)


def test_a_stand_in_says_so(tmp_path: Path) -> None:
    with live_server(tmp_path, EchoService(stand_in=PLAIN)) as server:
        response = post(server, "chat/completions", {**SAY, "model": "@hf/any/other"})
        assert response.headers["fireside-served-by"] == PLAIN
        assert response.json()["model"] == "@hf/any/other"


def test_a_fine_tune_by_field_or_by_model(tmp_path: Path) -> None:
    adapter = make_adapter(tmp_path / "adapter")
    with live_server(tmp_path / "data") as server:
        tunes = "/client/v4/accounts/acc/ai/finetunes"
        made = server.client.post(tunes, json={"model": LORA, "name": "pirate"}).json()["result"]
        for file in adapter.iterdir():
            parts: dict[str, Any] = {"file_name": (None, file.name), "file": file.read_bytes()}
            assert server.client.post(f"{tunes}/pirate/finetune-assets", files=parts).status_code == 200
        for change in (
            {"model": LORA, "lora": "pirate"},
            {"model": f"{LORA}:pirate"},
            {"model": LORA, "lora": made["id"]},
        ):
            said = post(server, "chat/completions", {**SAY, **change})
            assert said.json()["model"] == change["model"]
        adapters = [request.adapter for request in server.service.requests]
        assert adapters[0] is not None
        assert adapters == [adapters[0]] * 3
        assert {request.model for request in server.service.requests} == {LORA}


def test_usage_of_several_answers_goes_to_the_account(tmp_path: Path) -> None:
    with live_server(tmp_path) as server:
        post(server, "completions", {"model": PLAIN, "prompt": ["one two", "three"], "n": 3})
        wait_until(lambda: bool(server.store.usage("acc")))
        [used] = server.store.usage("acc")
        assert (used.prompt_tokens, used.completion_tokens) == (3, 9)


def test_usage_goes_to_the_account(tmp_path: Path) -> None:
    with live_server(tmp_path) as server:
        post(server, "chat/completions", SAY)
        wait_until(lambda: bool(server.store.usage("acc")))
        post(server, "chat/completions", SAY, "/v1")
        wait_until(lambda: bool(server.store.usage("local")))
        token, _ = server.store.create_token("mine", "test")
        wait_until(server.store.has_tokens)
        assert error(post(server, "chat/completions", SAY, "/v1"), 401)["code"] == "invalid_api_key"
        server.client.headers["authorization"] = f"Bearer {token}"
        wait_until(lambda: post(server, "chat/completions", SAY, "/v1").status_code == 200)
        assert server.service.requests[-1].account == "mine"
        wait_until(lambda: bool(server.store.usage("mine")))
        assert error(post(server, "chat/completions", SAY), 403)["message"] == "Authentication error"


@pytest.mark.parametrize("count", [1, 3])
def test_a_client_that_goes_away_ends_its_answers(tmp_path: Path, count: int) -> None:
    with live_server(tmp_path, EchoService(delay=0.01)) as server:
        body = {"model": PLAIN, "messages": [{"role": "user", "content": "!endless"}], "stream": True, "n": count}
        with server.client.stream("POST", "/v1/chat/completions", json=body) as response:
            pieces = response.iter_bytes()
            wait_until(lambda: bool(next(pieces)) and server.service.running == count)
        wait_until(lambda: server.service.cancelled == count)
        wait_until(lambda: bool(server.store.usage("local")))


def test_an_answer_that_fails_ends_the_others(tmp_path: Path) -> None:
    with live_server(tmp_path, EchoService(delay=0.01)) as server:
        body = {"model": PLAIN, "prompt": ["!endless", "!later:lost", "!endless"]}
        assert error(post(server, "completions", body), 500)["code"] == "engine_lost"
        found = frames(post(server, "completions", {**body, "stream": True}))
        assert found[-1]["error"]["code"] == "engine_lost"
        assert {choice["index"] for frame in found[:-1] for choice in frame["choices"]} >= {1}
        assert (server.service.running, server.service.cancelled) == (0, 4)
