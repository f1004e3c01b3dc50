"""`env.AI.gateway(id)`: the universal endpoint, addresses, logs."""

import json
from typing import Any

import httpx
import pytest

from support.echo_service import PLAIN
from support.live_server import LiveServer, check_binding_error, wait_until

BASE = "/client/v4/accounts/acc/ai/binding/ai-gateway"
CHAT: dict[str, Any] = {"model": PLAIN, "messages": [{"role": "user", "content": "one two"}]}


def step(endpoint: str, provider: str = "workers-ai", **query: Any) -> dict[str, object]:
    return {"provider": provider, "endpoint": endpoint, "headers": {"authorization": "Bearer x"}, "query": query}


def run(server: LiveServer, *steps: object, **options: Any) -> httpx.Response:
    return server.client.post(f"{BASE}/universal/run/mine", json=list(steps), **options)


@pytest.mark.parametrize("endpoint", [PLAIN, f"run/{PLAIN}", f"/run/{PLAIN}"])
def test_native_requests(shared_server: LiveServer, endpoint: str) -> None:
    answer = run(shared_server, step(endpoint, prompt="hi"))
    assert answer.headers["cf-aig-step"] == "0"
    assert answer.json() == shared_server.run({"prompt": "hi"}).json()
    stream = run(shared_server, step(endpoint, prompt="one two", stream=True))
    assert stream.text == shared_server.run({"prompt": "one two", "stream": True}).text


def test_openai_requests(shared_server: LiveServer) -> None:
    answer = run(shared_server, step("v1/chat/completions", **CHAT))
    assert answer.json()["choices"][0]["message"]["content"] == "one two"


def test_one_request_need_be_no_list(shared_server: LiveServer) -> None:
    answer = shared_server.client.post(f"{BASE}/universal/run/mine", json=step(PLAIN, prompt="hi"))
    assert answer.json()["result"]["response"] == "hi"


def test_the_first_that_succeeds_counts(server: LiveServer) -> None:
    failing = [step("chat/completions", "openai"), step("@cf/no/such", prompt="hi"), step(PLAIN, prompt="!busy")]
    answer = run(server, *failing, step(PLAIN, prompt="hi"), step(PLAIN, prompt="never"))
    assert (answer.headers["cf-aig-step"], answer.json()["result"]["response"]) == ("3", "hi")
    assert [request.prompt for request in server.service.requests] == ["!busy", "hi"]


def test_a_stream_that_has_begun_is_the_answer(server: LiveServer) -> None:
    answer = run(server, step(PLAIN, prompt="!later:lost", stream=True), step(PLAIN, prompt="never"))
    assert (answer.status_code, answer.headers["cf-aig-step"]) == (200, "0")
    assert "3043" in answer.text
    assert len(server.service.requests) == 1


@pytest.mark.parametrize(
    ("steps", "status", "code", "says"),
    [
        ([step("chat/completions", "openai")], 400, 5100, "the only provider is workers-ai"),
        ([step("@cf/no/such", prompt="hi")], 400, 5007, "No such model @cf/no/such or task"),
        ([step("v1/embeddings")], 404, 7003, "endpoint: should be"),
        ([step("../../../user")], 404, 7003, "endpoint: should be"),
        ([{"provider": "workers-ai"}], 400, 5006, "needs provider, endpoint and query"),
        ([], 400, 5006, "needs 1 to 10 requests"),
        ([step(PLAIN, prompt="hi")] * 11, 400, 5006, "needs 1 to 10 requests"),
    ],
)
def test_errors(shared_server: LiveServer, steps: list[object], status: int, code: int, says: str) -> None:
    assert says in check_binding_error(run(shared_server, *steps), status, code)


def test_a_body_that_is_no_json(shared_server: LiveServer) -> None:
    check_binding_error(shared_server.client.post(f"{BASE}/universal/run/mine", content=b"?"), 400, 3003)


def test_tokens_and_usage(fresh_server: LiveServer) -> None:
    token, _ = fresh_server.store.create_token("acc", "t")
    reader, _ = fresh_server.store.create_token("acc", "t", scopes=["finetunes"])
    wait_until(fresh_server.store.has_tokens)
    check_binding_error(run(fresh_server, step(PLAIN, prompt="hi")), 401, 10000)
    wrong = run(fresh_server, step(PLAIN, prompt="hi"), headers={"authorization": f"Bearer {reader}"})
    assert "lacks the scope run" in check_binding_error(wrong, 403, 10000)
    answer = run(fresh_server, step(PLAIN, prompt="hi"), headers={"authorization": f"Bearer {token}"})
    assert answer.json()["result"]["response"] == "hi"
    wait_until(lambda: [row.requests for row in fresh_server.store.usage("acc")] == [1])


def test_addresses(shared_server: LiveServer) -> None:
    def address(provider: str) -> str:
        answer = shared_server.client.get(f"{BASE}/gateways/mine/url/{provider}").json()
        return str(answer["result"]["url"])

    assert address("universal") == f"{shared_server.url}/v1/acc/mine"
    native = httpx.post(f"{address('workers-ai')}/{PLAIN}", json={"prompt": "hi"}, trust_env=False)
    compat = httpx.post(f"{address('compat')}/chat/completions", json=CHAT, trust_env=False)
    assert json.dumps(native.json()["result"]["response"]) == '"hi"'
    assert compat.json()["choices"][0]["message"]["content"] == "one two"


@pytest.mark.parametrize("method", ["GET", "PATCH"])
def test_logs(shared_server: LiveServer, method: str) -> None:
    answer = shared_server.client.request(method, f"{BASE}/gateways/mine/logs/log-1")
    assert "There is no log 'log-1'" in check_binding_error(answer, 404, 7003)
