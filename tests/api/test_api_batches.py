"""Batches: queued, run in the background, asked for by their ids."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from support.echo_service import LORA, PLAIN, EchoService
from support.live_server import LiveServer, check_binding_error, check_error, live_server, wait_until

AI = "/client/v4/accounts/acc/ai"
RUN = f"{AI}/run/{PLAIN}"

Send = Callable[[LiveServer, dict[str, Any]], httpx.Response]


def by_query(server: LiveServer, body: dict[str, Any]) -> httpx.Response:
    return server.client.post(f"{RUN}?queueRequest=true", json=body)


def by_option(server: LiveServer, body: dict[str, Any]) -> httpx.Response:
    return server.client.post(RUN, json={**body, "options": {"queueRequest": True}})


def by_field(server: LiveServer, body: dict[str, Any]) -> httpx.Response:
    return server.client.post(RUN, json={**body, "queueRequest": True})


def by_binding(server: LiveServer, body: dict[str, Any]) -> httpx.Response:
    given = {"inputs": body, "options": {"queueRequest": True}}
    return server.client.post(f"{AI}/binding/run?version=3", json=given, headers={"cf-consn-model-id": PLAIN})


def result_of(response: httpx.Response) -> dict[str, Any]:
    """The result, bare or in the envelope."""
    assert response.status_code == 200
    answer = response.json()
    found: dict[str, Any] = answer.get("result", answer)
    return found


def done(server: LiveServer, ticket: dict[str, Any], send: Send = by_query) -> dict[str, Any]:
    found: dict[str, Any] = {}

    def is_done() -> bool:
        found.update(result_of(send(server, {"request_id": ticket["request_id"]})))
        assert found.get("status", "running") in ("queued", "running")
        return "responses" in found

    wait_until(is_done)
    return found


@pytest.mark.parametrize("send", [by_query, by_option, by_field, by_binding])
def test_a_batch_is_queued_run_and_told(server: LiveServer, send: Send) -> None:
    requests = [
        {"prompt": "one two", "external_reference": "first"},
        {"messages": [{"role": "user", "content": "three"}]},
    ]
    ticket = result_of(send(server, {"requests": requests}))
    assert ticket == {"status": "queued", "request_id": ticket["request_id"], "model": PLAIN}
    results = done(server, ticket, send)
    usage = {"prompt_tokens": 3, "completion_tokens": 3, "total_tokens": 6}
    assert results["usage"] == usage
    first, second = results["responses"]
    alone = server.run({"prompt": "one two"}).json()["result"]
    assert first == {"id": 0, "result": alone, "success": True, "external_reference": "first"}
    assert (second["id"], second["result"]["response"], second["external_reference"]) == (1, "three", None)


@pytest.mark.parametrize("send", [by_query, by_option, by_field, by_binding])
def test_one_request_may_be_queued(server: LiveServer, send: Send) -> None:
    [response] = done(server, result_of(send(server, {"prompt": "one"})))["responses"]
    assert response["result"]["response"] == "one"


def test_what_is_said_of_requests_needs_no_option(server: LiveServer) -> None:
    ticket = result_of(server.run({"requests": [{"prompt": "one"}]}))
    lookup = {"request_id": ticket["request_id"]}
    wait_until(lambda: "responses" in result_of(server.run(lookup)))
    assert result_of(server.run(lookup)) == result_of(server.run(lookup))  # it may be asked for again


def test_a_failure_is_that_requests_own(server: LiveServer) -> None:
    requests = [{"prompt": "!lost"}, {"prompt": "fine"}, {"prompt": "!bug"}, {"prompt": "hi", "lora": "none"}]
    responses = done(server, result_of(by_query(server, {"requests": requests})))["responses"]
    assert [response["success"] for response in responses] == [False, True, False, False]
    assert [response["errors"][0]["code"] for response in responses if not response["success"]] == [3043, 3043, 5005]
    assert "secret" not in json.dumps(responses)


def test_everything_of_a_request_counts(server: LiveServer) -> None:
    tool = {"name": "add", "parameters": {"type": "object"}}
    asked = {"messages": [{"role": "user", "content": '!call:add:{"a":1}'}], "tools": [tool]}
    [response] = done(server, result_of(by_query(server, {"requests": [asked]})))["responses"]
    assert response["result"]["finish_reason"] == "tool_calls"
    assert response["result"]["tool_calls"][0]["function"] == {"name": "add", "arguments": '{"a":1}'}


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"requests": []}, "requests: should be an array with at least one request"),
        ({"requests": "hi"}, "requests: should be an array"),
        ({"requests": ["hi"]}, "requests.0: should be an object"),
        ({"requests": [{"prompt": "hi"}, {"prompt": 7}]}, "requests.1.prompt: should be a valid string"),
        ({"requests": [{"prompt": "hi", "stream": True}]}, "requests.0.stream: not supported in a batch"),
        ({"requests": [{"prompt": "hi", "external_reference": 7}]}, "requests.0.external_reference: should be a str"),
        ({"requests": [{"prompt": "hi", "external_reference": "x" * 300}]}, "at most 256 characters"),
        ({"requests": [{"prompt": "hi"}], "prompt": "hi"}, "requests: cannot be combined with prompt or messages"),
        ({"prompt": "hi", "stream": True, "queueRequest": True}, "stream: not supported in a batch"),
        ({"request_id": 7}, "request_id: should be a string"),
        ({"requests": [{"prompt": "hi"}] * 1001}, "requests: a batch may have at most 1000, got 1001"),
    ],
)
def test_what_is_no_batch(server: LiveServer, body: dict[str, Any], says: str) -> None:
    assert says in check_error(server.run(body), 400, 5006)
    assert server.service.requests == []


def test_a_batch_that_is_not_there(server: LiveServer) -> None:
    assert "no batch with this id" in check_error(server.run({"request_id": "none"}), 404, 5114)
    check_binding_error(by_binding(server, {"request_id": "none"}), 404, 5114)
    ticket = result_of(by_query(server, {"prompt": "mine"}))
    other = f"/client/v4/accounts/other/ai/run/{PLAIN}"
    check_error(server.client.post(other, json={"request_id": ticket["request_id"]}), 404, 5114)
    done(server, ticket)


def test_batches_are_bounded_and_make_way(tmp_path: Path) -> None:
    service = EchoService(delay=0.02)
    with live_server(tmp_path, service, batch_requests=6) as server:
        long = result_of(server.run({"requests": [{"prompt": "a " * 1000, "max_tokens": 1000}] * 4}))
        wait_until(lambda: service.running == 4)
        assert result_of(server.run({"request_id": long["request_id"]}))["status"] == "running"
        waiting = result_of(server.run({"requests": [{"prompt": "a"}] * 2}))
        assert result_of(server.run({"request_id": waiting["request_id"]}))["status"] == "queued"
        assert "full" in check_error(server.run({"requests": [{"prompt": "a"}]}), 429, 3040)
        # Another account has room, and is answered meanwhile.
        other = server.client.post(server.run_path(account="other"), json={"requests": [{"prompt": "b"}]})
        assert other.status_code == 200
        service.delay = 0
        done(server, long)
        done(server, waiting)
        # What is done is forgotten, the oldest first.
        later = result_of(server.run({"requests": [{"prompt": "b"}] * 3}))
        check_error(server.run({"request_id": long["request_id"]}), 404, 5114)
        assert "responses" in result_of(server.run({"request_id": waiting["request_id"]}))
        done(server, later)


def test_batches_expire(tmp_path: Path) -> None:
    with live_server(tmp_path, batch_seconds=0.05) as server:
        ticket = result_of(server.run({"requests": [{"prompt": "a"}]}))
        wait_until(lambda: server.run({"request_id": ticket["request_id"]}).status_code == 404)


def test_usage_is_recorded(fresh_server: LiveServer) -> None:
    done(fresh_server, result_of(by_query(fresh_server, {"requests": [{"prompt": "one two"}] * 2})))
    wait_until(lambda: [row.requests for row in fresh_server.store.usage("acc")] == [2])
    [row] = fresh_server.store.usage("acc")
    assert (row.prompt_tokens, row.completion_tokens) == (4, 4)


def test_a_wrong_model_is_said_at_once(server: LiveServer) -> None:
    check_error(server.client.post(f"{AI}/run/@cf/no/such", json={"requests": [{"prompt": "a"}]}), 400, 5007)
    ticket = result_of(server.client.post(f"{AI}/run/{LORA}", json={"requests": [{"prompt": "a"}]}))
    assert ticket["model"] == LORA
    done(server, ticket)
