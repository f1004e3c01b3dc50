"""The real server on a free loopback port, in a thread of its own."""

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from fireside.api.app import create_app
from fireside.api.context import Control
from fireside.api.http.server import Server, listen, make_server, url_of
from fireside.settings import Settings
from fireside.store.store import Store
from support.echo_service import EchoService


@dataclass
class LiveServer:
    """A running server and what is behind it."""

    url: str
    service: EchoService
    store: Store
    client: httpx.Client
    server: Server
    listener: socket.socket

    def run_path(self, model: str = "@cf/fireside/echo", account: str = "acc") -> str:
        return f"/client/v4/accounts/{account}/ai/run/{model}"

    def run(self, body: object, **options: Any) -> httpx.Response:
        return self.client.post(self.run_path(), json=body, **options)

    def connect(self) -> socket.socket:
        host, port = self.url.removeprefix("http://").rsplit(":", 1)
        return socket.create_connection((host, int(port)), timeout=10)

    def post_bytes(self, body: bytes, *headers: str, model: str = "@cf/fireside/echo", length: bool = True) -> bytes:
        """A run request as it goes over the wire."""
        lines = [f"POST {self.run_path(model)} HTTP/1.1", "Host: localhost", *headers]
        if length:
            lines.append(f"Content-Length: {len(body)}")
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + body

    def connect_deaf(self) -> socket.socket:
        """A connection with little room in either direction, for a client that does not read."""
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.settimeout(10)
        sock.connect(self.listener.getsockname())
        return sock

    def exchange(self, raw: bytes) -> bytes:
        """Send raw bytes, and read until the server closes."""
        with self.connect() as sock:
            with contextlib.suppress(ConnectionError):
                sock.sendall(raw)
            return read_all(sock)


def check_error(response: httpx.Response, status: int, code: int) -> str:
    """Assert that this is the one shape every error has; its message."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    return check_error_body(response.content, code)


def check_binding_error(response: httpx.Response, status: int, code: int) -> str:
    """The same for what a Worker's binding reads."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    assert response.headers["cf-ai-req-id"]
    said = response.json()
    message = said["message"]
    assert said == {
        "internalCode": code,
        "name": "InferenceUpstreamError",
        "description": message,
        "message": message,
        "errors": [{"code": code, "message": message}],
    }
    return str(message)


def check_openai_error(response: httpx.Response, status: int, code: int) -> str:
    """The same for what OpenAI's clients read, which is the envelope and an error object."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    said = response.json()
    error = said.pop("error")
    message = check_error_body(json.dumps(said).encode(), code)
    assert set(error) == {"message", "type", "param", "code"}
    assert error["message"] == message
    return message


def check_error_body(body: bytes, code: int) -> str:
    """Assert that this is the envelope of an error; its message."""
    envelope = json.loads(body)
    [error] = envelope["errors"]
    assert envelope == {"result": None, "success": False, "errors": [error], "messages": []}
    assert set(error) == {"code", "message"}
    assert error["code"] == code, error
    assert error["message"]
    return str(error["message"])


def check_raw_error(received: bytes, status: int, code: int) -> str:
    """The same for an answer read off a socket that the server then closed."""
    head, _, body = received.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status), received[:500]
    assert b"\r\ncontent-type: application/json" in head
    return check_error_body(body, code)


def read_all(sock: socket.socket) -> bytes:
    """Everything until the connection's end."""
    received = bytearray()
    with contextlib.suppress(ConnectionError):
        while piece := sock.recv(65536):
            received += piece
    return bytes(received)


def wait_until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait for something that must come true; the limit is only there so that a failure ends."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "did not come true"
        time.sleep(0.01)


@contextlib.contextmanager
def live_server(
    folder: Path, service: EchoService | None = None, commands: Control | None = None, **settings: Any
) -> Iterator[LiveServer]:
    """A server with an empty store in `folder`."""
    service = service or EchoService()
    values: dict[str, Any] = {"port": 0, "data_dir": folder, "default_model": "@cf/fireside/echo", **settings}
    config = Settings(**values)
    with Store(folder / "store.db") as store, listen(config) as sock:
        server = make_server(create_app(config, service, store, commands), config)
        url = url_of(sock)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]})
        thread.start()
        try:
            wait_until(lambda: server.started or not thread.is_alive())
            with httpx.Client(base_url=url, timeout=30, trust_env=False) as client:
                yield LiveServer(url, service, store, client, server, sock)
            # Whatever a test did: no generation, request or connection may be left behind.
            wait_until(lambda: service.running == 0)
            wait_until(lambda: not server.server_state.tasks)
            wait_until(lambda: not server.server_state.connections)
        finally:
            server.should_exit = True
            thread.join()
