"""What one account may cost: values of a body, memory and number of requests under way, tokens that are revoked."""

import gc
import gzip
import json
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from fireside.api.http.body import MAX_VALUES, SMALL_VALUES, Body
from fireside.api.http.boundary import Boundary
from fireside.api.http.underway import UnderWay
from fireside.api.schema.run_input import MAX_MESSAGES, MAX_PARTS, MAX_TEXT
from fireside.store.store import Store
from support.live_server import (
    LiveServer,
    check_error,
    check_error_body,
    check_openai_error,
    check_raw_error,
    live_server,
    read_all,
    wait_until,
)

HI = {"role": "user", "content": "hi"}
CHAT = "/client/v4/accounts/acc/ai/v1/chat/completions"
TEXTS = "/client/v4/accounts/acc/ai/v1/completions"
MODEL = "@cf/fireside/echo"


def zipped(body: object) -> bytes:
    return gzip.compress(json.dumps(body, separators=(",", ":")).encode())


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/client/v4/accounts/acc/ai/run/@cf/fireside/echo", {"messages": [{}] * MAX_VALUES}),
        ("/client/v4/accounts/acc/ai/run/@cf/fireside/echo", {"unknown": [1] * (MAX_VALUES + 1)}),
        ("/client/v4/accounts/acc/ai/run/@cf/fireside/echo", dict.fromkeys(map(str, range(MAX_VALUES + 1)))),
        (CHAT, {"model": MODEL, "messages": [HI], "metadata": dict.fromkeys(map(str, range(MAX_VALUES + 1)))}),
        (TEXTS, {"model": MODEL, "prompt": [""] * (MAX_VALUES + 1)}),
        ("/client/v4/accounts/acc/ai/finetunes", {"name": [[]] * MAX_VALUES}),
        ("/client/v4/accounts/acc/ai/binding/run", {"inputs": {"messages": [{}] * MAX_VALUES}}),
        ("/api/models/@cf/fireside/echo/preview", {"messages": [HI], "functions": [{}] * MAX_VALUES}),
    ],
)
def test_counts_the_values_of_every_body(shared_server: LiveServer, path: str, body: object) -> None:
    headers = {"content-encoding": "gzip", "cf-consn-model-id": MODEL}
    response = shared_server.client.post(path, content=zipped(body), headers=headers)
    assert response.status_code == 413
    assert f"more than {MAX_VALUES} values" in response.text


def test_text_is_not_counted_as_values(server: LiveServer) -> None:
    text = '","[{:' * (MAX_TEXT // 6)
    assert server.run({"messages": [{"role": "user", "content": text}] * 20}).status_code == 200


def test_a_body_with_many_values_is_read_like_any_other(server: LiveServer) -> None:
    parts = [{"type": "text", "text": f"{number} "} for number in range(2 * SMALL_VALUES)]
    response = server.run({"messages": [{"role": "user", "content": parts}]})
    assert response.json()["result"]["response"].startswith("0 1 2 ")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"messages": [HI] * (MAX_MESSAGES + 1)}, f"messages: should have at most {MAX_MESSAGES} items"),
        ({"messages": [{}] * MAX_MESSAGES}, "messages.0.role: Field required; messages.0.content: Field required"),
        (
            {"messages": [{"role": "user", "content": [{"type": "text", "text": ""}] * (MAX_PARTS + 1)}]},
            f"messages.0.content: should have at most {MAX_PARTS} parts",
        ),
        ({"messages": [HI], "tools": [{"name": "f"}] * 129}, "tools: "),
        ({"messages": [HI], "functions": [{"name": "f", "code": ""}] * 129}, "functions: "),
        ({"messages": [{**HI, "tool_calls": [{"name": "f", "arguments": {}}] * 129}]}, "messages.0.tool_calls: "),
        ({"messages": [{**HI, "name": "n" * 1001}]}, "messages.0.name: "),
    ],
)
def test_every_list_has_a_maximum(shared_server: LiveServer, body: dict[str, object], said: str) -> None:
    assert check_error(shared_server.run(body), 400, 5006).startswith(said)


@pytest.mark.parametrize(
    ("path", "more", "said"),
    [
        (CHAT, {"messages": [HI] * (MAX_MESSAGES + 1)}, f"messages: should have at most {MAX_MESSAGES} items"),
        (CHAT, {"messages": [HI], "stop": ["a"] * 17}, "stop: "),
        (CHAT, {"messages": [HI], "tools": [{"type": "function", "function": {"name": "f"}}] * 129}, "tools: "),
        (CHAT, {"messages": [HI], "logit_bias": dict.fromkeys(map(str, range(1025)), 0)}, "logit_bias: "),
    ],
)
def test_every_list_of_openais_has_a_maximum(
    shared_server: LiveServer, path: str, more: dict[str, object], said: str
) -> None:
    response = shared_server.client.post(path, json={"model": MODEL, **more})
    assert check_openai_error(response, 400, 5006).startswith(said)


def test_a_token_in_a_trailer_is_no_token(tmp_path: Path) -> None:
    with live_server(tmp_path) as server:
        token, _ = server.store.create_token("acc", "test")
        server.store._locked.clear()
        head = server.post_bytes(b"", "Connection: close", "Transfer-Encoding: chunked", length=False)
        chunk = b'd\r\n{"prompt":"a"}\r\n'.replace(b"d", b"e")
        trailer = f"Authorization: Bearer {token}\r\nX-Auth-Key: {token}\r\n".encode()
        check_raw_error(server.exchange(head + chunk + b"0\r\n" + trailer + b"\r\n"), 401, 10000)
        # Nor does it reach the next request of the connection.
        again = head.replace(b"Connection: close", b"Accept: */*") + chunk + b"0\r\n" + trailer + b"\r\n"
        answers = server.exchange(again + head + chunk + b"0\r\n\r\n")
        assert answers.count(b"HTTP/1.1 401 ") == 2
        assert server.service.requests == []


@pytest.fixture
def bounded(tmp_path: Path) -> Iterator[LiveServer]:
    with live_server(tmp_path, account_requests=2, account_body_mb=1, max_body_bytes=4_000_000) as running:
        yield running


def under_way(server: LiveServer) -> UnderWay:
    boundary = server.server.config.app
    assert isinstance(boundary, Boundary)
    return boundary._under_way


def test_an_account_has_so_many_requests_under_way_and_others_have_theirs(bounded: LiveServer) -> None:
    tokens = {account: bounded.store.create_token(account, "test")[0] for account in ("acc", "other")}
    bounded.store._locked.clear()
    held = [bounded.connect() for _ in range(2)]
    try:
        for sock in held:
            sock.sendall(
                bounded.post_bytes(b"", f"Authorization: Bearer {tokens['acc']}", "Content-Length: 9", length=False)
            )
        headers = {"authorization": f"Bearer {tokens['acc']}"}
        wait_until(lambda: under_way(bounded)._requests["acc"] == 2)
        assert "limit of 2 running requests" in check_error(bounded.run({"prompt": "hi"}, headers=headers), 429, 3040)
        other = bounded.client.post(
            bounded.run_path(account="other"),
            json={"prompt": "hi"},
            headers={"authorization": f"Bearer {tokens['other']}"},
        )
        assert other.status_code == 200
    finally:
        for sock in held:
            sock.close()
    wait_until(lambda: bounded.run({"prompt": "hi"}, headers=headers).status_code == 200)


def test_bodies_under_way_take_so_much_memory(bounded: LiveServer) -> None:
    with bounded.connect() as first:
        first.sendall(bounded.post_bytes(b"", "Content-Length: 900000", length=False) + b" " * 800_000)
        body = {"prompt": "x" * 100_000, "unknown": "x" * 300_000}
        wait_until(lambda: under_way(bounded)._bytes.total() == 800_000)
        assert "memory limit of 1 MB" in check_error(bounded.run(body), 429, 3040)
        assert bounded.run({"prompt": "hi"}).status_code == 200
    wait_until(lambda: bounded.run(body).status_code == 200)
    # One alone is always taken.
    assert bounded.run({"prompt": "hi", "unknown": "x" * 2_000_000}).status_code == 200


def test_large_bodies_of_an_account_are_received_in_turn(tmp_path: Path) -> None:
    large = 3_000_000
    with live_server(tmp_path) as server:
        head = server.post_bytes(b"", f"Content-Length: {large}", "Connection: close", length=False)
        with ExitStack() as stack:
            first, second, third = (stack.enter_context(server.connect()) for _ in range(3))
            for sock in (first, second):
                sock.sendall(head + b'{"prompt":"' + b" " * 2_000_000)
            wait_until(lambda: under_way(server)._bytes.total() > 4_000_000)
            sender = threading.Thread(target=third.sendall, args=(head + b'{"prompt":"' + b" " * (large - 13) + b'"}',))
            sender.start()
            wait_until(lambda: under_way(server).turns.waiting == 1)
            assert under_way(server)._bytes.total() < 6_000_000
            assert server.run({"prompt": "x" * 500_000}).status_code == 400  # not in turn: it is smaller
            first.close()  # its turn is the third's
            answer = read_all(third)
            sender.join(10)
        check_raw_error(answer, 400, 5006)
        wait_until(lambda: not under_way(server)._leases)
        assert under_way(server).turns.waiting == 0
        assert all(not held for held in under_way(server).turns._turns._held.values())


def test_what_a_refused_request_read_is_forgotten_with_it(server: LiveServer) -> None:
    """An error holds the frames that it went through: if one of them holds the error, they wait for the collector."""

    def bodies() -> set[int]:
        return {id(one) for one in gc.get_objects() if type(one) is Body}

    gc.collect()
    gc.disable()
    try:
        before = bodies()  # what other tests' servers may hold
        check_error(server.run({"prompt": "x" * 700_000}), 400, 5006)
        wait_until(lambda: bodies() <= before)
    finally:
        gc.enable()


@pytest.mark.parametrize("stream", [True, False])
def test_a_revoked_token_ends_what_runs_with_it(fresh_server: LiveServer, stream: bool) -> None:
    server = fresh_server
    token, record = server.store.create_token("acc", "test")
    kept, _ = server.store.create_token("acc", "another")
    server.store._locked.clear()
    answers: dict[str, bytes] = {}

    def ask(name: str, token: str) -> None:
        body = {"prompt": "!endless word" if name == "revoked" else "hello", "stream": stream}
        answers[name] = server.run(body, headers={"authorization": f"Bearer {token}"}).content

    thread = threading.Thread(target=ask, args=("revoked", token))
    thread.start()
    wait_until(lambda: server.service.running == 1)
    with Store(Path(server.store._engine.url.database or "")) as elsewhere:
        elsewhere.revoke_token(record.token_id)
    thread.join(30)
    assert b"The token of this request was revoked while it ran." in answers["revoked"]
    if stream:
        assert answers["revoked"].endswith(b"data: [DONE]\n\n")
    else:
        check_error_body(answers["revoked"], 10000)
    ask("kept", kept)
    assert b"hello" in answers["kept"]


def test_refusals_take_longer_and_longer_but_lock_nobody_out(
    fresh_server: LiveServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    token, _ = fresh_server.store.create_token("acc", "test")
    fresh_server.store._locked.clear()
    monkeypatch.setattr("fireside.api.http.boundary.sleep", sleep)
    for _ in range(60):
        response = fresh_server.run({"prompt": "hi"}, headers={"authorization": "Bearer wrong"})
        check_error(response, 401, 10000)
    assert slept
    assert max(slept) <= 2
    count = len(slept)
    began = time.monotonic()
    assert fresh_server.run({"prompt": "hi"}, headers={"authorization": f"Bearer {token}"}).status_code == 200
    assert len(slept) == count, time.monotonic() - began
    lines = [line for line in caplog.messages if line.startswith("Rejected a request from 127.0.0.1")]
    assert len(lines) == 1


def test_an_open_server_slows_nobody(server: LiveServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fireside.api.http.boundary.sleep", None)
    assert all(isinstance(server.run({}), httpx.Response) for _ in range(250))
