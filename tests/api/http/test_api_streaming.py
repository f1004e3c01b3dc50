"""Streams over real HTTP: exact bytes, keep-alives, errors after the first byte, and clients that go away."""

import json
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from support.echo_service import EchoService
from support.live_server import LiveServer, check_error, check_error_body, live_server, wait_until

SLOW = 0.02


@pytest.fixture(scope="module")
def slow_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """Takes its time for each word, and longer for the first; impatient with clients."""
    service = EchoService(delay=SLOW, prefill=0.2)
    settings: dict[str, Any] = {"keep_alive_seconds": 0.05, "write_timeout": 0.3}
    with live_server(tmp_path_factory.mktemp("slow"), service, **settings) as running:
        yield running


@pytest.fixture
def slow(slow_server: LiveServer) -> Iterator[LiveServer]:
    wait_until(lambda: slow_server.service.running == 0)
    slow_server.service.reset()
    yield slow_server
    wait_until(lambda: slow_server.service.running == 0)


def body_of(received: bytes) -> bytes:
    """The body of a chunked answer."""
    rest, body = received.partition(b"\r\n\r\n")[2], b""
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        body, rest = body + rest[: int(size, 16)], rest[int(size, 16) + 2 :]
    return body


def open_stream(server: LiveServer, prompt: str, *, stream: bool = True) -> socket.socket:
    sock = server.connect()
    sock.sendall(server.post_bytes(json.dumps({"prompt": prompt, "max_tokens": 4000, "stream": stream}).encode()))
    return sock


def read_until(sock: socket.socket, mark: bytes, count: int = 1) -> bytes:
    received = b""
    while received.count(mark) < count:
        piece = sock.recv(4096)
        assert piece, received
        received += piece
    return received


def test_a_stream_byte_for_byte(shared_server: LiveServer) -> None:
    body = '{"prompt": "New York \\"is\\"\\n\N{GRINNING FACE} é\\u2028\\u0000!", "stream": true}'.encode()
    received = shared_server.exchange(shared_server.post_bytes(body, "Connection: close"))
    assert body_of(received).decode() == (
        'data: {"response":"New"}\n\n'
        'data: {"response":" York"}\n\n'
        'data: {"response":" \\"is\\""}\n\n'
        'data: {"response":"\\n\N{GRINNING FACE}"}\n\n'
        'data: {"response":" é"}\n\n'
        'data: {"response":"\N{LINE SEPARATOR}\\u0000!"}\n\n'
        'data: {"response":"","usage":{"prompt_tokens":6,"completion_tokens":6,"total_tokens":12},'
        '"finish_reason":"stop"}\n\n'
        "data: [DONE]\n\n"
    )
    head = received.partition(b"\r\n\r\n")[0].lower().split(b"\r\n")
    assert head[0] == b"http/1.1 200 ok"
    assert {b"content-type: text/event-stream", b"cache-control: no-cache", b"x-accel-buffering: no"} < set(head)


def test_the_streamed_answer_is_the_plain_one(shared_server: LiveServer) -> None:
    body = {"messages": [{"role": "user", "content": " a\tb  c\nd "}], "max_tokens": 3}
    plain = shared_server.run(body).json()["result"]
    frames = shared_server.run({**body, "stream": True}).text.split("\n\n")
    pieces = [json.loads(frame[6:]) for frame in frames[:-2]]
    assert "".join(piece["response"] for piece in pieces) == plain["response"]
    assert pieces[-1]["usage"] == plain["usage"]


def test_keep_alive_comments_while_there_is_nothing_to_say(slow: LiveServer) -> None:
    body = slow.run({"prompt": "one two", "stream": True}).text
    comments, _, rest = body.partition("data: ")
    assert comments == ": keep-alive\n\n" * comments.count(":")
    assert comments
    assert rest.count("data: [DONE]\n\n") == 1
    assert '{"response":"one"}' in rest


@pytest.mark.parametrize(
    ("prompt", "status", "code"),
    [("!busy", 429, 3040), ("!missing", 503, 5101), ("!retired", 400, 5028), ("!bug", 500, 3043)],
)
@pytest.mark.parametrize("stream", [False, True])
def test_an_error_before_the_first_token_is_an_ordinary_answer(
    server: LiveServer, prompt: str, status: int, code: int, stream: bool
) -> None:
    message = check_error(server.run({"prompt": prompt, "stream": stream}), status, code)
    assert "secret" not in message


@pytest.mark.parametrize(("prompt", "code"), [("!later:lost", 3043), ("!later:busy", 3040), ("!later:bug", 3043)])
def test_an_error_after_the_first_byte_is_a_last_frame(server: LiveServer, prompt: str, code: int) -> None:
    response = server.run({"prompt": prompt, "stream": True})
    assert response.status_code == 200
    first, failure, done, end = response.text.split("\n\n")
    assert (first, done, end) == ('data: {"response":"first"}', "data: [DONE]", "")
    frame = json.loads(failure.removeprefix("data: "))
    assert frame["errors"] == [frame["error"]]
    assert frame["error"]["code"] == code
    assert frame["error"]["message"]
    assert "secret" not in frame["error"]["message"]


def test_the_same_error_unstreamed_is_an_error_answer(server: LiveServer) -> None:
    check_error(server.run({"prompt": "!later:lost"}), 500, 3043)


def test_an_error_after_a_keep_alive_is_a_last_frame(tmp_path: Path) -> None:
    service = EchoService(prefill=0.3)
    with live_server(tmp_path, service, keep_alive_seconds=0.05, request_timeout=0.15) as server:
        *comments, failure, done, end = server.run({"prompt": "hi", "stream": True}).text.split("\n\n")
        assert set(comments) == {": keep-alive"}
        assert json.loads(failure.removeprefix("data: "))["error"]["code"] == 3007
        assert (done, end) == ("data: [DONE]", "")


def test_answers_that_take_too_long(tmp_path: Path) -> None:
    with live_server(tmp_path, EchoService(delay=0.01), request_timeout=0.2) as server:
        check_error(server.run({"prompt": "!endless"}), 408, 3007)
        frames = server.run({"prompt": "!endless", "stream": True}).text.split("\n\n")
        assert len(frames) > 3
        assert json.loads(frames[-3].removeprefix("data: "))["error"]["code"] == 3007
        assert frames[-2:] == ["data: [DONE]", ""]
        assert server.service.cancelled == 2


@pytest.mark.parametrize("events", [0, 1, 5])
def test_a_client_that_goes_cancels_within_one_step(slow: LiveServer, events: int) -> None:
    with open_stream(slow, "!endless") as sock:
        if events:
            read_until(sock, b"data: ", events)
        else:
            wait_until(lambda: slow.service.running == 1)
    wait_until(lambda: slow.service.cancelled == 1)
    made = slow.service.words
    wait_until(lambda: not slow.server.server_state.tasks)
    assert slow.service.words == made
    assert (made == 0) == (events == 0)


def test_a_client_that_goes_cancels_an_unstreamed_answer(slow: LiveServer) -> None:
    with open_stream(slow, "!endless", stream=False):
        wait_until(lambda: slow.service.words > 2)
    wait_until(lambda: slow.service.cancelled == 1)


def test_a_reset_cancels_as_well(slow: LiveServer) -> None:
    with open_stream(slow, "!endless") as sock:
        read_until(sock, b"data: ")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    wait_until(lambda: slow.service.cancelled == 1)


@pytest.mark.parametrize("keep_alive", [0.05, 10.0])
def test_a_client_that_never_reads_is_dropped(tmp_path: Path, keep_alive: float) -> None:
    settings: dict[str, Any] = {"write_timeout": 0.3, "keep_alive_seconds": keep_alive}
    with live_server(tmp_path, **settings) as server, server.connect_deaf() as sock:
        body = {"prompt": "!endless " + "x" * 1000, "stream": True}
        sock.sendall(server.post_bytes(json.dumps(body).encode()))
        wait_until(lambda: server.service.cancelled == 1)
        wait_until(lambda: not server.server.server_state.connections)


def test_an_answer_nobody_takes_is_dropped(tmp_path: Path) -> None:
    with live_server(tmp_path, write_timeout=0.3) as server, server.connect_deaf() as sock:
        body = json.dumps({"prompt": "x" * 131_072}).encode()
        sock.sendall(server.post_bytes(body))
        wait_until(lambda: server.service.requests != [])
        wait_until(lambda: not server.server.server_state.connections)


def test_usage_of_answers_that_are_cut_short(tmp_path: Path) -> None:
    with live_server(tmp_path, EchoService(delay=0.01)) as server:
        with open_stream(server, "!endless two three") as sock:
            read_until(sock, b"data: ", 4)
        wait_until(lambda: server.service.cancelled == 1)
        wait_until(lambda: len(server.store.usage("acc")) == 1)
        [usage] = server.store.usage("acc")
        assert (usage.requests, usage.prompt_tokens, usage.completion_tokens) == (1, 3, server.service.words)
        assert usage.completion_tokens >= 4
        server.run({"prompt": "!later:lost", "stream": True})
        wait_until(lambda: server.store.usage("acc")[0].requests == 2)
        [after] = server.store.usage("acc")
        assert after.completion_tokens == usage.completion_tokens + 1
        server.run({"prompt": "!busy"})
        assert server.store.usage("acc") == [after]


def test_many_streams_at_once(server: LiveServer) -> None:
    server.service.delay = 0.001
    gate = threading.Barrier(32)

    def ask(number: int) -> str:
        gate.wait()
        words = [f"{number}-{index}" for index in range(30)]
        body = {"prompt": " ".join(words), "stream": True}
        with httpx.Client(base_url=server.url, trust_env=False, timeout=30) as client:
            frames = client.post(server.run_path(), json=body).text.split("\n\n")
        assert frames[-2:] == ["data: [DONE]", ""]
        return "".join(json.loads(frame[6:])["response"] for frame in frames[:-2])

    try:
        with ThreadPoolExecutor(32) as pool:
            answers = list(pool.map(ask, range(32)))
    finally:
        server.service.delay = 0.0
    assert answers == [" ".join(f"{number}-{index}" for index in range(30)) for number in range(32)]


def test_streams_that_are_cut_do_not_hurt_others(slow: LiveServer) -> None:
    cut = [open_stream(slow, "!endless") for _ in range(20)]
    with ThreadPoolExecutor(1) as pool:
        kept = pool.submit(slow.run, {"prompt": "a b c d e f", "stream": True})
        for sock in cut:
            read_until(sock, b"data: ")
            sock.close()
        frames = [frame for frame in kept.result().text.split("\n\n") if frame.startswith("data: {")]
    assert "".join(json.loads(frame[6:])["response"] for frame in frames) == "a b c d e f"
    wait_until(lambda: slow.service.cancelled == 20)


def test_unstreamed_errors_have_the_envelope_over_a_socket(server: LiveServer) -> None:
    received = server.exchange(server.post_bytes(b'{"prompt": "!busy"}', "Connection: close"))
    assert b"\r\nretry-after: 1\r\n" in received
    check_error_body(received.partition(b"\r\n\r\n")[2], 3040)
