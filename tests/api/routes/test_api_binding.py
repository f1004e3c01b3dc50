"""The binding's calls as workerd, miniflare and older wranglers send them, byte for byte on the wire."""

import json

import httpx
import pytest

from support.echo_service import AWQ, LORA
from support.live_server import LiveServer, check_binding_error, wait_until

BASE = "/client/v4/accounts/acc/ai"
MODEL = "@cf/fireside/echo"
BINDING = "https://workers-binding.ai"


def headers(model: str = MODEL) -> dict[str, str]:
    return {"content-type": "application/json", "cf-consn-sdk-version": "2.0.0", "cf-consn-model-id": model}


class Direct:
    """A Worker that stands in for the binding, on paths like the binding's own."""

    def send(
        self, client: httpx.Client, method: str, place: str, body: bytes, fields: dict[str, str]
    ) -> httpx.Response:
        return client.request(method, f"{BASE}/binding{place}", content=body, headers=fields)


class Miniflare:
    """miniflare's remote-binding protocol."""

    def send(
        self, client: httpx.Client, method: str, place: str, body: bytes, fields: dict[str, str]
    ) -> httpx.Response:
        proxied = {f"mf-header-{name}": value for name, value in fields.items()}
        proxied |= {"mf-url": BINDING + place, "mf-binding": "AI"}
        return client.request(method, f"{BASE}/binding", content=body, headers=proxied)


class OldWrangler:
    """wrangler 3's way: always POST."""

    def send(
        self, client: httpx.Client, method: str, place: str, body: bytes, fields: dict[str, str]
    ) -> httpx.Response:
        return client.post(f"{BASE}/run/proxy", content=body, headers={**fields, "x-forwarded": BINDING + place})


Way = Direct | Miniflare | OldWrangler
WAYS = [Direct(), Miniflare(), OldWrangler()]


@pytest.fixture(params=WAYS, ids=lambda way: type(way).__name__)
def way(request: pytest.FixtureRequest) -> Way:
    chosen: Way = request.param
    return chosen


def run(
    server: LiveServer,
    way: Way,
    inputs: object,
    options: object = None,
    *,
    model: str = MODEL,
    place: str = "/run?version=3",
) -> httpx.Response:
    body = json.dumps({"inputs": inputs, "options": options or {}}).encode()
    return way.send(server.client, "POST", place, body, headers(model))


@pytest.mark.parametrize("place", ["/run?version=3", "/ai-gateway/run?version=3", "/run/?version=3"])
def test_answers_bare(shared_server: LiveServer, way: Way, place: str) -> None:
    options = {"gateway": {"id": "mine", "skipCache": True}, "returnRawResponse": True}
    response = run(shared_server, way, {"prompt": "where is new york?"}, options, place=place)
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"  # exactly: the binding compares it as a string
    assert response.headers["cf-ai-req-id"]
    usage = {"prompt_tokens": 4, "completion_tokens": 4, "total_tokens": 8}
    assert response.json() == {"response": "where is new york?", "usage": usage, "finish_reason": "stop"}


def test_streams(shared_server: LiveServer, way: Way) -> None:
    response = run(shared_server, way, {"messages": [{"role": "user", "content": "one two"}], "stream": True})
    assert response.headers["content-type"] == "text/event-stream"
    frames = response.text.split("\n\n")
    assert frames[:2] == ['data: {"response":"one"}', 'data: {"response":" two"}']
    assert frames[-2:] == ["data: [DONE]", ""]


def test_usage_counts_for_the_account(fresh_server: LiveServer, way: Way) -> None:
    run(fresh_server, way, {"prompt": "one two"}, model=LORA)
    wait_until(lambda: bool(fresh_server.store.usage("acc")))
    [row] = fresh_server.store.usage("acc")
    assert (row.model, row.prompt_tokens, row.completion_tokens) == (LORA, 2, 2)


def test_model_with_a_prefix(server: LiveServer, way: Way) -> None:
    assert run(server, way, {"prompt": "hi"}, model=f"my-gateway:{AWQ}").status_code == 200
    assert [request.model for request in server.service.requests] == [AWQ]


def test_options_go_beside_the_inputs(server: LiveServer, way: Way) -> None:
    run(server, way, {"prompt": "hi", "max_tokens": 7}, {"rejectIfBusy": True})
    run(server, way, {"prompt": "hi"})
    refusing, waiting = server.service.requests
    assert (refusing.wait, refusing.max_tokens, waiting.wait) == (False, 7, True)


def test_lists_models(shared_server: LiveServer, way: Way) -> None:
    response = way.send(shared_server.client, "GET", "/ai-api/models/search?search=mistral&per_page=1", b"", {})
    assert response.headers["content-type"] == "application/json"
    assert [model["name"] for model in response.json()["result"]] == [LORA]


@pytest.mark.parametrize(
    ("model", "inputs", "options", "status", "code", "says"),
    [
        ("@cf/no/such", {"prompt": "hi"}, None, 400, 5007, "No such model @cf/no/such or task"),
        ("nonsense", {"prompt": "hi"}, None, 404, 3042, "nonsense"),
        (MODEL, {"prompt": "hi", "max_tokens": "5"}, None, 400, 5006, "max_tokens: should be a valid integer"),
        (MODEL, {"prompt": "hi"}, {"rejectIfBusy": 7}, 400, 5006, "options.rejectIfBusy: should be a valid boolean"),
        (MODEL, {"prompt": "hi"}, [1], 400, 5006, "options: should be"),
        (MODEL, None, None, 400, 5006, "inputs: should be an object"),
        (MODEL, {"prompt": "hi", "max_tokens": 5000}, None, 400, 5021, "maximum context length is 4096 tokens"),
        (MODEL, {"prompt": "!busy"}, None, 429, 3040, "The queue is full"),
        (MODEL, {"prompt": "!bug"}, None, 500, 3043, "Internal server error"),
        ("", {"prompt": "hi"}, None, 400, 3003, "cf-consn-model-id is missing"),
    ],
)
def test_errors_are_the_bindings_own(
    shared_server: LiveServer,
    way: Way,
    model: str,
    inputs: object,
    options: object,
    status: int,
    code: int,
    says: str,
) -> None:
    response = run(shared_server, way, inputs, options, model=model)
    assert says in check_binding_error(response, status, code)


def test_a_body_that_is_no_json(shared_server: LiveServer, way: Way) -> None:
    response = way.send(shared_server.client, "POST", "/run?version=3", b"audio", headers())
    check_binding_error(response, 400, 3003)


@pytest.mark.parametrize("place", ["/to-markdown/transform", "/ai-gateway/gateways/mine/run", "/autorag/rags/a/search"])
def test_calls_that_are_not_there(shared_server: LiveServer, way: Way, place: str) -> None:
    response = way.send(shared_server.client, "POST", place, b"{}", headers())
    assert place in check_binding_error(response, 404, 7003)  # what was asked, not what carried it


def test_inputs_that_are_no_text(shared_server: LiveServer, way: Way) -> None:
    """As workerd sends `{audio: {body: stream, contentType}}`: the stream as the body, the rest in the query."""
    place = "/run?version=3&userInputs=%7B%22language%22%3A%22en%22%7D"
    fields = {**headers(), "content-type": "audio/wav"}
    response = way.send(shared_server.client, "POST", place, b"RIFF", fields)
    assert "binary streams and forms" in check_binding_error(response, 400, 5100)


@pytest.mark.parametrize("way", [Direct(), Miniflare()], ids=["direct", "miniflare"])
def test_a_websocket_for_a_run(shared_server: LiveServer, way: Way) -> None:
    place = "/run?version=3&body=%7B%22inputs%22%3A%7B%7D%7D"
    response = way.send(shared_server.client, "GET", place, b"", headers())
    assert "options.websocket" in check_binding_error(response, 400, 5100)


def test_a_websocket_is_refused(shared_server: LiveServer) -> None:
    """miniflare tries one first, for RPC; the answer has to be plain HTTP."""
    upgrade = {"upgrade": "websocket", "connection": "upgrade", "sec-websocket-version": "13", "sec-websocket-key": "x"}
    response = shared_server.client.get(f"{BASE}/binding?MF-Binding=AI", headers=upgrade)
    assert "WebSockets are not supported" in check_binding_error(response, 400, 3003)


def test_a_url_that_is_none(shared_server: LiveServer) -> None:
    response = shared_server.client.post(f"{BASE}/binding", headers={"mf-url": "https://[half"})
    check_binding_error(response, 400, 3003)


def test_a_compressed_body_by_its_original_headers(shared_server: LiveServer) -> None:
    fields = {**headers(), "content-encoding": "br"}
    response = Miniflare().send(shared_server.client, "POST", "/run?version=3", b"?", fields)
    assert "Content-Encoding 'br'" in check_binding_error(response, 400, 5100)


def test_tokens(fresh_server: LiveServer, way: Way) -> None:
    token, _ = fresh_server.store.create_token("acc", "t")
    other, _ = fresh_server.store.create_token("other", "t")
    body = b'{"inputs": {"prompt": "hi"}, "options": {}}'

    def send(**fields: str) -> httpx.Response:
        return way.send(fresh_server.client, "POST", "/run?version=3", body, headers() | fields)

    assert send(authorization=f"Bearer {token}").json()["response"] == "hi"
    check_binding_error(send(), 401, 10000)
    check_binding_error(send(authorization="Bearer wrong"), 401, 10000)
    check_binding_error(send(authorization=f"Bearer {other}"), 403, 10000)
