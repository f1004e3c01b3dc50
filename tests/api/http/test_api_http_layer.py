"""Bytes that are barely HTTP, or not at all: the right status, one error shape, nothing left behind."""

import contextlib
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from fireside.api.http.protocol import MAX_FIELDS, MAX_HEAD_BYTES
from fireside.settings import Settings
from support.live_server import LiveServer, check_error, check_raw_error, live_server, read_all, wait_until

PROMPT = b'{"prompt": "hi"}'
CLOSE = "Connection: close"


@pytest.fixture(scope="module")
def hasty_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """One that waits for nobody, and takes small bodies only."""
    folder = tmp_path_factory.mktemp("hasty")
    with live_server(folder, header_timeout=0.3, body_timeout=0.3, idle_timeout=5, max_body_bytes=4096) as running:
        yield running


@pytest.fixture
def hasty(hasty_server: LiveServer) -> Iterator[LiveServer]:
    hasty_server.service.reset()
    yield hasty_server
    wait_until(lambda: not hasty_server.server.server_state.tasks)
    assert hasty_server.service.requests == []


def healthy(server: LiveServer) -> bool:
    return server.client.get("/health").status_code == 200


# Headers


@pytest.mark.parametrize("size", [MAX_HEAD_BYTES + 1, 64 * 1024, 10_000_000])
@pytest.mark.parametrize("place", ["value", "name", "path", "query", "many", "trailer"])
def test_refuses_large_heads(shared_server: LiveServer, size: int, place: str) -> None:
    head = b"POST /health HTTP/1.1\r\nHost: localhost\r\n"
    many = b"x: 1234567890123456789012345678901234567890\r\n"
    request = {
        "value": head + b"x: " + b"a" * size + b"\r\n\r\n",
        "name": head + b"a" * size + b": x\r\n\r\n",
        "path": b"GET /" + b"a" * size + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "query": b"GET /health?" + b"a" * size + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "many": head + many * (size // len(many) + 1) + b"\r\n",
        "trailer": head + b"Transfer-Encoding: chunked\r\n\r\n0\r\nx: " + b"a" * size + b"\r\n\r\n",
    }[place]
    received = shared_server.exchange(request)
    if place == "trailer":
        # Its answer may be under way when the trailer grows too long: then the connection just ends.
        assert received == b"" or b"HTTP/1.1 4" in received
    elif received or size < 1_000_000:  # still sending megabytes, the client may see a reset instead
        check_raw_error(received, 431, 3006)
    assert healthy(shared_server)


def test_refuses_a_thousand_headers(shared_server: LiveServer) -> None:
    fields = "".join(f"x-{number}: y\r\n" for number in range(1000))
    check_raw_error(shared_server.exchange(f"GET /health HTTP/1.1\r\n{fields}\r\n".encode()), 431, 3006)


def test_takes_headers_up_to_the_limit(shared_server: LiveServer) -> None:
    fields = [f"x-{number}: y" for number in range(MAX_FIELDS - 3)]
    received = shared_server.exchange(shared_server.post_bytes(PROMPT, CLOSE, *fields))
    assert received.startswith(b"HTTP/1.1 200 ")
    large = "x: " + "a" * (MAX_HEAD_BYTES - 300)
    assert shared_server.exchange(shared_server.post_bytes(PROMPT, CLOSE, large)).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\r\n\r\n\r\nnonsense\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET /health\r\n\r\n",
        b"GET /health HTTP/2.0\r\nHost: localhost\r\n\r\n",
        b"GET /health HTTP/9.9\r\nHost: localhost\r\n\r\n",
        b"GET /health HTTP/1.1 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"FROBNICATE /health HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"get /health HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET health HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /\x00 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: localhost\r\nbad name: x\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: localhost\r\nno colon\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: localhost\r\n: no name\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: localhost\r\nx: a\x00b\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: localhost\r\nx: a\rb\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: localhost\r\nx : spaced\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
        bytes(range(256)),
        # What makes two servers disagree about where a request ends
        b"POST /health HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"POST /health HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\nhello",
        b"POST /health HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5x\r\n\r\nhello",
        b"POST /health HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999999999\r\n\r\nhello",
        b"POST /health HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /health HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        b"POST /health HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    ],
    ids=lambda request: repr(request[:60]),
)
def test_refuses_what_is_no_http(shared_server: LiveServer, request_bytes: bytes) -> None:
    check_raw_error(shared_server.exchange(request_bytes), 400, 3003)
    assert healthy(shared_server)


@pytest.mark.parametrize("dripping", [False, True])
def test_slow_headers_are_cut_off(hasty: LiveServer, dripping: bool) -> None:
    with hasty.connect() as sock:
        sock.sendall(b"POST /health HTTP/1.1\r\nHost: localhost\r\n")
        with contextlib.suppress(ConnectionError):
            for number in range(20 if dripping else 0):
                time.sleep(0.05)
                sock.sendall(b"x-%d: y\r\n" % number)
        received = read_all(sock)
        # A drip that comes after the end resets the connection, answer and all.
        assert (dripping and not received) or check_raw_error(received, 408, 3007)


@pytest.mark.parametrize("opening", [b"", b"\r\n", b"G"])
def test_connections_that_say_nothing_are_closed(hasty: LiveServer, opening: bytes) -> None:
    with hasty.connect() as sock:
        sock.sendall(opening)
        received = read_all(sock)
    if received:
        check_raw_error(received, 408, 3007)
    wait_until(lambda: not hasty.server.server_state.connections)


def test_many_slow_connections_keep_nobody_out(hasty: LiveServer) -> None:
    with contextlib.ExitStack() as stack:
        socks = [stack.enter_context(hasty.connect()) for _ in range(100)]
        for sock in socks:
            sock.sendall(b"POST /health HTTP/1.1\r\n")
        assert healthy(hasty)
        for sock in socks:
            read_all(sock)


# Bodies


@pytest.mark.parametrize("dripping", [False, True])
def test_slow_bodies_are_cut_off(hasty: LiveServer, dripping: bool) -> None:
    with hasty.connect() as sock:
        sock.sendall(hasty.post_bytes(b"", "Content-Length: 100", length=False) + b'{"prompt": "')
        with contextlib.suppress(ConnectionError):
            for _ in range(12 if dripping else 0):
                time.sleep(0.05)
                sock.sendall(b"a")
        received = sock.recv(65536)
        sock.shutdown(socket.SHUT_WR)
        check_raw_error(received + read_all(sock), 408, 3007)


def test_a_body_that_ends_early_leaves_nothing(server: LiveServer) -> None:
    with server.connect() as sock:
        sock.sendall(server.post_bytes(b"", "Content-Length: 100", length=False) + b'{"prompt": "')
        wait_until(lambda: len(server.server.server_state.tasks) == 1)
    wait_until(lambda: not server.server.server_state.tasks)
    assert server.service.requests == []


def test_bytes_beyond_the_declared_length_are_another_request(server: LiveServer) -> None:
    with server.connect() as sock:
        sock.sendall(
            server.post_bytes(b"", f"Content-Length: {len(PROMPT)}", length=False) + PROMPT + b"more bytes\r\n"
        )
        received = read_all(sock)
    check_raw_error(received, 400, 3003)
    assert len(server.service.requests) <= 1


def test_a_body_longer_than_declared_is_cut(server: LiveServer) -> None:
    received = server.exchange(server.post_bytes(b"", CLOSE, "Content-Length: 5", length=False) + PROMPT)
    check_raw_error(received, 400, 3003)
    assert server.service.requests == []


def test_no_declared_body_is_an_empty_one(server: LiveServer) -> None:
    message = check_raw_error(server.exchange(server.post_bytes(b"", CLOSE, length=False)), 400, 3003)
    assert "missing its body" in message


@pytest.mark.parametrize(
    "chunks",
    [
        b"10\r\n" + PROMPT + b"\r\n0\r\n\r\n",
        b"".join(b"1\r\n%c\r\n" % byte for byte in PROMPT) + b"0\r\n\r\n",
        b"10;name=value\r\n" + PROMPT + b"\r\n0\r\ntrailer: x\r\n\r\n",
    ],
)
def test_takes_chunked_bodies(shared_server: LiveServer, chunks: bytes) -> None:
    head = shared_server.post_bytes(b"", CLOSE, "Transfer-Encoding: chunked", length=False)
    assert shared_server.exchange(head + chunks).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    "chunks",
    [
        b"garbage\r\n",
        b"-1\r\n",
        b"10" + PROMPT + b"\r\n0\r\n\r\n",
        b"5\r\n" + PROMPT + b"\r\n0\r\n\r\n",
        b"0x10\r\n" + PROMPT + b"\r\n0\r\n\r\n",
        b"fffffffffffffffff\r\n" + PROMPT,
        b"\r\n\r\n",
    ],
)
def test_refuses_garbage_in_chunks(server: LiveServer, chunks: bytes) -> None:
    head = server.post_bytes(b"", CLOSE, "Transfer-Encoding: chunked", length=False)
    check_raw_error(server.exchange(head + chunks), 400, 3003)
    wait_until(lambda: not server.server.server_state.tasks)
    assert server.service.requests == []


def test_refuses_a_declared_body_before_it_is_sent(hasty: LiveServer) -> None:
    with hasty.connect() as sock:
        sock.sendall(hasty.post_bytes(b"", "Content-Length: 4097", "Expect: 100-continue", length=False))
        received = sock.recv(65536)
        assert b"100 Continue" not in received
        sock.shutdown(socket.SHUT_WR)
        check_raw_error(received + read_all(sock), 413, 3006)


@pytest.mark.parametrize("chunked", [False, True])
def test_refuses_a_large_body_and_says_so_to_who_sends_on(hasty: LiveServer, chunked: bool) -> None:
    body = b" " * 3_000_000
    if chunked:
        framed = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
        received = hasty.exchange(hasty.post_bytes(b"", "Transfer-Encoding: chunked", length=False) + framed)
    else:
        received = hasty.exchange(hasty.post_bytes(body))
    assert "4096 bytes" in check_raw_error(received, 413, 3006)


def test_takes_a_body_of_exactly_the_limit(tmp_path: Path) -> None:
    with live_server(tmp_path, max_body_bytes=4096) as server:
        body = PROMPT + b" " * (4096 - len(PROMPT))
        assert server.client.post(server.run_path(), content=body).status_code == 200
        check_error(server.client.post(server.run_path(), content=body + b" "), 413, 3006)


def test_expect_continue_is_answered(shared_server: LiveServer) -> None:
    with shared_server.connect() as sock:
        sock.sendall(shared_server.post_bytes(b"", CLOSE, "Expect: 100-continue", "Content-Length: 16", length=False))
        assert sock.recv(65536).startswith(b"HTTP/1.1 100 Continue\r\n\r\n")
        sock.sendall(PROMPT)
        assert read_all(sock).startswith(b"HTTP/1.1 200 ")


# Connections


def test_pipelined_requests_are_answered_in_order(server: LiveServer) -> None:
    requests = [server.post_bytes(b'{"prompt": "number-%d"}' % number) for number in range(9)]
    received = server.exchange(b"".join(requests) + server.post_bytes(b'{"prompt": "number-9"}', CLOSE))
    assert [received.count(b"number-%d" % number) for number in range(10)] == [1] * 10
    places = [received.index(b"number-%d" % number) for number in range(10)]
    assert places == sorted(places)


def test_endless_pipelining_is_cut_off(server: LiveServer) -> None:
    slow = server.post_bytes(b'{"prompt": "!endless"}')
    received = server.exchange(slow * 200)
    assert received == b"" or received.startswith(b"HTTP/1.1 400 ")
    wait_until(lambda: not server.server.server_state.tasks)
    assert len(server.service.requests) <= 1


def test_http_1_0_is_answered_and_closed(shared_server: LiveServer) -> None:
    assert shared_server.exchange(b"GET /health HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("path", ["run", "chat"])
def test_streams_over_http_1_0_are_not_chunked(shared_server: LiveServer, path: str) -> None:
    request = shared_server.post_bytes(b'{"prompt": "one two", "stream": true}')
    if path == "chat":
        body = b'{"model": "@cf/fireside/echo", "messages": [{"role": "user", "content": "one two"}], "stream": true}'
        url = b"/client/v4/accounts/acc/ai/v1/chat/completions"
        request = b"POST %b HTTP/1.0\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%b" % (url, len(body), body)
    received = shared_server.exchange(request.replace(b"HTTP/1.1", b"HTTP/1.0"))
    head, _, body = received.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert b"transfer-encoding" not in head.lower()
    assert b"connection: close" in head.lower()
    assert body.startswith(b"data: {")
    assert body.endswith(b"data: [DONE]\n\n")
    assert all(frame.startswith(b"data: ") for frame in body.split(b"\n\n")[:-1])


def test_http_1_0_clients_are_not_told_to_continue(shared_server: LiveServer) -> None:
    request = shared_server.post_bytes(PROMPT, "Expect: 100-continue").replace(b"HTTP/1.1", b"HTTP/1.0")
    assert shared_server.exchange(request).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("path", ["/", "/health", "/openapi.json", "/playground", "/nowhere"])
def test_pages_over_http_1_0_are_whole(shared_server: LiveServer, path: str) -> None:
    head, _, body = shared_server.exchange(f"GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode()).partition(
        b"\r\n\r\n"
    )
    assert b"transfer-encoding" not in head.lower()
    assert body == shared_server.client.get(path, headers={"accept-encoding": "identity"}).content


def test_idle_connections_stay_open_for_as_long_as_set(tmp_path: Path) -> None:
    with live_server(tmp_path, idle_timeout=0.2) as hasty, hasty.connect() as sock:
        sock.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        received = read_all(sock)  # until the server closes
        assert received.startswith(b"HTTP/1.1 200 ")
        assert b"connection: close" not in received


def test_idle_connections_outlive_those_of_proxies() -> None:
    assert Settings().idle_timeout > 60  # nginx's and most load balancers' default


def test_the_setting_is_what_connections_have(shared_server: LiveServer) -> None:
    with shared_server.connect() as sock:
        sock.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert sock.recv(65536).startswith(b"HTTP/1.1 200 ")
        [timeout] = {
            getattr(connection, "timeout_keep_alive", None)
            for connection in list(shared_server.server.server_state.connections)
        }
        assert timeout == Settings().idle_timeout


@pytest.mark.parametrize("upgrade", ["h2c", "websocket"])
def test_upgrades_are_not_offered(server: LiveServer, upgrade: str) -> None:
    headers = ["Connection: Upgrade, HTTP2-Settings", f"Upgrade: {upgrade}", "HTTP2-Settings: AAMAAABk"]
    with server.connect() as sock:
        # Twice, in pieces: the connection goes on, and the body is found wherever it comes.
        for split in (10, 200, -20, -8):
            request = server.post_bytes(PROMPT, *headers)
            sock.sendall(request[:split])
            time.sleep(0.02)
            sock.sendall(request[split:])
            assert b'"response":"hi"' in sock.recv(65536)
    chunked = server.post_bytes(b"", *headers, CLOSE, "Transfer-Encoding: chunked", length=False)
    assert b'"response":"hi"' in server.exchange(chunked + b"10\r\n" + PROMPT + b"\r\n0\r\n\r\n")
    with server.connect() as sock:
        lines = ["GET /?MF-Binding=AI HTTP/1.1", "Host: localhost", *headers, "", ""]
        sock.sendall("\r\n".join(lines).encode())
        assert sock.recv(65536).startswith(b"HTTP/1.1 200 ")


# Methods


def test_head_is_get_without_a_body(shared_server: LiveServer) -> None:
    for path in ("/", "/health", "/client/v4/accounts/acc/ai/models/search", "/nowhere"):
        got, head = shared_server.client.get(path), shared_server.client.head(path)
        assert head.status_code == got.status_code
        assert head.content == b""
        assert head.headers["content-type"] == got.headers["content-type"]
        assert head.headers["content-length"] == str(len(got.content))


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"])
def test_other_methods_are_refused_with_those_that_are_not(server: LiveServer, method: str) -> None:
    response = server.client.request(method, server.run_path(), headers={"x-secret": "hunter2"})
    check_error(response, 405, 7001)
    assert response.headers["allow"] == "POST"
    assert "hunter2" not in response.text
    if method != "GET":
        response = server.client.request(method, "/health")
        check_error(response, 405, 7001)
        assert response.headers["allow"] == "GET, HEAD"


# Paths

ACCOUNTS = [
    "..",
    ".",
    "%2e%2e",
    "%252e%252e",
    "%00",
    "a%00b",
    "a%2Fb",
    "a%5Cb",
    "a%0d%0ab",
    "%ff",
    "%C3%A9",
    "a%20b",
    "a.b",
    "a" * 65,
    "",
    "%",
    "%zz",
]


@pytest.mark.parametrize("account", ACCOUNTS)
def test_account_ids_that_cannot_be(server: LiveServer, account: str) -> None:
    received = server.exchange(
        f"POST /client/v4/accounts/{account}/ai/run/@cf/fireside/echo HTTP/1.1\r\nHost: localhost\r\n{CLOSE}\r\n"
        "Content-Length: 16\r\n\r\n".encode()
        + PROMPT
    )
    check_raw_error(received, 404, 7003)
    assert server.service.requests == []


@pytest.mark.parametrize(
    "model",
    [
        "..",
        "../../../../etc/passwd",
        "%2e%2e/%2e%2e/%2e%2e",
        "@hf/../../secret",
        "@hf/%2e%2e/%2e%2e/secret",
        "@hf/mistral/%00",
        "@hf/mistral/mistral-7b-instruct-v0.2%00",
        "@hf%252Fmistral%252Fmistral-7b-instruct-v0.2",
        "%2540hf/mistral/mistral-7b-instruct-v0.2",
        "@hf//mistral-7b-instruct-v0.2",
        "@hf/mistral/mistral-7b-instruct-v0.2/extra",
        "@hf\\mistral\\mistral-7b-instruct-v0.2",
        "@hf/mistral",
        "@xx/mistral/mistral-7b-instruct-v0.2",
        "mistral-7b-instruct-v0.2",
        "%ff%fe",
        "a" * 2000,
    ],
)
def test_model_ids_that_cannot_be(server: LiveServer, model: str) -> None:
    received = server.exchange(server.post_bytes(PROMPT, CLOSE, model=model))
    message = check_raw_error(received, 404, 3042)
    assert len(message) < 500
    assert server.service.requests == []


def test_line_breaks_in_a_model_id_make_no_header(server: LiveServer) -> None:
    received = server.exchange(server.post_bytes(PROMPT, CLOSE, model="@hf/mistral/x%0d%0aX-Evil:1"))
    check_raw_error(received, 404, 7003)
    assert b"evil" not in received.partition(b"\r\n\r\n")[0].lower()


def test_a_model_that_is_not_there(server: LiveServer) -> None:
    model = "@hf/thebloke/neural-chat-7b-v3-1-awq"
    message = check_error(server.client.post(server.run_path(model), json={"prompt": "hi"}), 400, 5007)
    assert message.startswith(f"No such model {model} or task")


@pytest.mark.parametrize(
    "path",
    [
        "/nowhere",
        "/client/v4",
        "/client/v4/accounts/acc/ai/run",
        "/client/v4/accounts/acc/ai/nowhere",
        "/health/x",
        "/../health",
        "/%2e%2e/health",
        "/static/../../../etc/passwd",
        "/client/v4/accounts/acc/../other/ai/models/search",
        "/client/v4/accounts/acc%2fai%2fnowhere",
        "/.env",
        "/favicon.ico",
    ],
)
def test_paths_that_lead_nowhere(shared_server: LiveServer, path: str) -> None:
    received = shared_server.exchange(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{CLOSE}\r\n\r\n".encode())
    check_raw_error(received, 404, 7003)


def test_absolute_form_of_the_target(shared_server: LiveServer) -> None:
    request = f"GET http://localhost/health HTTP/1.1\r\nHost: localhost\r\n{CLOSE}\r\n\r\n".encode()
    assert shared_server.exchange(request).startswith(b"HTTP/1.1 200 ")


def test_keeps_connections_alive(shared_server: LiveServer) -> None:
    with httpx.Client(base_url=shared_server.url, trust_env=False) as client:
        for number in range(20):
            body = {"prompt": "hi"} if number % 2 else {"prompt": ""}
            assert client.post(shared_server.run_path(), json=body).status_code == (200 if number % 2 else 400)
        wait_until(lambda: len(shared_server.server.server_state.connections) <= 2)
