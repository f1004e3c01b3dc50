"""Other spellings of a path, and an AI Gateway's addresses."""

import json

import httpx
import pytest

from fireside.api.http.paths import canonical
from support.echo_service import AWQ, LORA, PLAIN
from support.live_server import LiveServer, check_error, wait_until

AI = "/client/v4/accounts/acc/ai"
GATEWAY = "/v1/acc/my-gateway"
CHAT = {"messages": [{"role": "user", "content": "one two"}]}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/", "/"),
        ("//", "/"),
        ("/health/", "/health"),
        ("//client/v4/user", "/client/v4/user"),
        (f"/client/v4//accounts/acc/ai/run//{AWQ}//", f"{AI}/run/{AWQ}"),
        ("/v1//chat/completions", "/v1/chat/completions"),
        (f"/v1/models/{AWQ}", f"/v1/models/{AWQ}"),
        (f"{GATEWAY}/workers-ai/{AWQ}", f"{AI}/run/{AWQ}"),
        (f"/{GATEWAY}/workers-ai/run/{AWQ}/", f"{AI}/run/{AWQ}"),
        (f"{GATEWAY}/workers-ai/v1/chat/completions", f"{AI}/v1/chat/completions"),
        (f"{GATEWAY}/workers-ai/v1/models/{AWQ}", f"{AI}/v1/models/{AWQ}"),
        (f"{GATEWAY}/compat/chat/completions", f"{AI}/v1/chat/completions"),
        (f"{GATEWAY}/compat/v1/chat/completions", f"{AI}/v1/chat/completions"),
        (f"{GATEWAY}/openai/chat/completions", f"{GATEWAY}/openai/chat/completions"),
        (f"{GATEWAY}/workers-ai", f"{GATEWAY}/workers-ai"),
        (f"{GATEWAY}/workers-ai/nonsense", f"{GATEWAY}/workers-ai/nonsense"),
    ],
)
def test_spellings(path: str, expected: str) -> None:
    assert canonical(path) == expected
    assert canonical(expected) == expected


def test_a_gateways_native_route(shared_server: LiveServer) -> None:
    post = shared_server.client.post
    plain = post(f"{AI}/run/{LORA}", json=CHAT)
    through = post(f"{GATEWAY}/workers-ai/{LORA}", json=CHAT)
    assert (through.status_code, through.json()) == (200, plain.json())
    stream = post(f"{GATEWAY}/workers-ai/{LORA}", json={**CHAT, "stream": True})
    assert stream.text == post(f"{AI}/run/{LORA}", json={**CHAT, "stream": True}).text
    assert "No such model" in check_error(post(f"{GATEWAY}/workers-ai/@cf/no/such", json=CHAT), 400, 5007)
    check_error(post(f"{GATEWAY}/workers-ai/{LORA}", content=b"?"), 400, 3003)


@pytest.mark.parametrize("place", ["workers-ai/v1/chat/completions", "compat/chat/completions"])
@pytest.mark.parametrize("model", [PLAIN, f"workers-ai/{PLAIN}"])
def test_a_gateways_openai_routes(shared_server: LiveServer, place: str, model: str) -> None:
    answer = shared_server.client.post(f"{GATEWAY}/{place}", json={"model": model, **CHAT}).json()
    assert answer["choices"][0]["message"]["content"] == "one two"
    assert answer["model"] == model
    wrong = shared_server.client.post(f"{GATEWAY}/{place}", json={"model": "workers-ai/@cf/no/such", **CHAT})
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (404, "model_not_found")


@pytest.mark.parametrize("path", [f"{GATEWAY}/workers-ai/{PLAIN}", f"{GATEWAY}/compat/chat/completions"])
def test_a_gateways_account_is_guarded(fresh_server: LiveServer, path: str) -> None:
    token, _ = fresh_server.store.create_token("acc", "t")
    other, _ = fresh_server.store.create_token("other", "t")
    body = {"model": PLAIN, **CHAT}

    def send(path: str = path, **headers: str) -> httpx.Response:
        return fresh_server.client.post(path, json=body, headers=headers)

    assert send(authorization=f"Bearer {token}").status_code == 200
    assert send(**{"cf-aig-authorization": f"Bearer {token}"}).status_code == 200
    assert send().status_code == 401
    assert send(authorization=f"Bearer {other}", **{"cf-aig-authorization": f"Bearer {token}"}).status_code == 403
    assert send(f"{fresh_server.url}/{path}", authorization=f"Bearer {other}").status_code == 403
    wait_until(lambda: [row.requests for row in fresh_server.store.usage("acc")] == [2])


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/v1/responses", "of OpenAI's API this server has chat/completions, completions and models"),
        ("/v1/embeddings", "of OpenAI's API this server has"),
        (f"{AI}/v1/responses", "of OpenAI's API this server has"),
        (f"{GATEWAY}/openai/chat/completions", "of an AI Gateway this server has"),
        (f"{GATEWAY}/workers-ai/v1/responses", "of OpenAI's API this server has"),
    ],
)
def test_what_is_not_there_is_named(shared_server: LiveServer, path: str, says: str) -> None:
    response = shared_server.client.post(path, json={"model": PLAIN, "input": "hi"})
    assert response.status_code == 404
    message = response.json()["error"]["message"]
    assert message.startswith("Could not route to /")
    assert says in message


def test_base_urls_that_end_with_a_slash(shared_server: LiveServer) -> None:
    client = shared_server.client
    doubled = httpx.post(f"{shared_server.url}//client/v4/accounts/acc/ai/run/{PLAIN}", json=CHAT, trust_env=False)
    assert doubled.json() == client.post(f"{AI}/run/{PLAIN}", json=CHAT).json()
    raw = json.dumps({"model": PLAIN, **CHAT}).encode()
    head = f"POST /v1//chat/completions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {len(raw)}"
    assert b'"content":"one two"' in shared_server.exchange(head.encode() + b"\r\n\r\n" + raw)
