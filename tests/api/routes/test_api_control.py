"""What the commands on this machine may ask of a server, and nobody else."""

import logging
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from starlette.datastructures import Headers

from fireside.api.context import Control
from fireside.api.http import auth
from fireside.settings import Settings
from fireside.store.tokens import SCOPES
from support.live_server import LiveServer, check_error, live_server

SECRET = "5ec2e7" * 10
MODEL = "@cf/fireside/echo"
ROUTES = [
    ("GET", "/api/server"),
    ("POST", "/api/server/stop"),
    *((method, f"/api/server/models/{MODEL}") for method in ("GET", "POST", "DELETE")),
]


class Asked:
    """Counts what the commands asked for."""

    def __init__(self) -> None:
        self.stops = 0
        self.loaded: list[str] = []
        self.unloaded: list[str] = []

    def stop(self) -> None:
        self.stops += 1

    async def load(self, model: str) -> None:
        self.loaded.append(model)

    async def unload(self, model: str) -> bool:
        self.unloaded.append(model)
        return len(self.unloaded) == 1


@pytest.fixture
def asked() -> Asked:
    return Asked()


@pytest.fixture(params=["open", "with tokens"])
def controlled(request: pytest.FixtureRequest, asked: Asked, tmp_path: Path) -> Iterator[LiveServer]:
    with live_server(tmp_path, commands=Control(SECRET, asked.stop, asked.load, asked.unload)) as server:
        if request.param == "with tokens":
            server.store.create_token("acc", "test", SCOPES)
        yield server


def with_secret(server: LiveServer, method: str, path: str, **headers: str) -> httpx.Response:
    return server.client.request(method, path, headers={"authorization": f"Bearer {SECRET}", **headers})


def test_state_stop_and_unload(controlled: LiveServer, asked: Asked) -> None:
    state = with_secret(controlled, "GET", "/api/server").json()["result"]
    assert state["uptime_seconds"] >= 0
    assert state["memory_bytes"] > 10**7
    assert MODEL in [model["id"] for model in state["models"]]
    for method in ("GET", "POST"):
        assert with_secret(controlled, method, f"/api/server/models/{MODEL}").json()["result"]["state"] == "ready"
    assert asked.loaded == [MODEL]
    unload = ("DELETE", f"/api/server/models/{MODEL}")
    answers = [with_secret(controlled, *unload).json()["result"] for _ in range(2)]
    assert answers == [{"unloaded": True}, {"unloaded": False}]
    assert asked.unloaded == [MODEL, MODEL]
    check_error(with_secret(controlled, "DELETE", "/api/server/models/@cf/no/such"), 400, 5007)
    assert with_secret(controlled, "POST", "/api/server/stop").json()["result"] == {"stopping": True}
    assert asked.stops == 1


def test_the_secret_is_a_token_of_the_account_local(controlled: LiveServer) -> None:
    own = f"/client/v4/accounts/local/ai/run/{MODEL}"
    answer = controlled.client.post(own, json={"prompt": "hi"}, headers={"authorization": f"Bearer {SECRET}"})
    assert answer.json()["result"]["response"] == "hi"
    check_error(with_secret(controlled, "GET", "/client/v4/accounts/acc/ai/models/search"), 403, 10000)


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_nobody_else_may(method: str, path: str, asked: Asked, tmp_path: Path) -> None:
    with live_server(tmp_path, commands=Control(SECRET, asked.stop, asked.load, asked.unload)) as server:
        check_error(server.client.request(method, path), 403, 10000)
        token, _ = server.store.create_token("local", "test", SCOPES)
        whole = {"authorization": f"Bearer {token}"}
        check_error(server.client.request(method, path, headers=whole), 403, 10000)
        for wrong in ("x", SECRET[:-1], f"{SECRET}0", SECRET.upper()):
            check_error(server.client.request(method, path, headers={"authorization": f"Bearer {wrong}"}), 401, 10000)
    assert (asked.stops, asked.loaded, asked.unloaded) == (0, [], [])


def test_the_secret_counts_for_nothing_through_a_proxy(controlled: LiveServer, asked: Asked) -> None:
    for header in ("x-forwarded-for", "forwarded", "via", "cf-ray"):
        answer = with_secret(controlled, "POST", "/api/server/stop", **{header: "1"})
        assert answer.status_code in (401, 403)
    assert asked.stops == 0


@pytest.mark.parametrize(
    ("client", "server", "counts"),
    [
        ("127.0.0.1", "127.0.0.1", True),
        ("::1", "::1", True),
        ("192.0.2.7", "192.0.2.7", True),  # the machine's own request to a server on its network address
        ("192.0.2.8", "192.0.2.7", False),
        ("192.0.2.8", "127.0.0.1", False),
    ],
)
def test_the_secret_counts_from_this_machine_only(client: str, server: str, counts: bool, tmp_path: Path) -> None:
    with live_server(tmp_path) as running:
        guard = auth.Guard(Settings(data_dir=tmp_path), running.store, SECRET)
        headers = [(b"authorization", f"Bearer {SECRET}".encode()), (b"host", b"x")]
        scope = {"type": "http", "headers": headers, "client": (client, 1), "server": (server, 2)}
        assert guard._is_command(scope, Headers(scope=scope)) is counts


def test_a_server_that_nobody_controls_has_no_such_routes(fresh_server: LiveServer) -> None:
    for method, path in ROUTES:
        check_error(fresh_server.client.request(method, path), 404, 7003)


def test_the_secret_is_never_logged(controlled: LiveServer, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        with_secret(controlled, "GET", "/api/server")
        with_secret(controlled, "POST", "/api/server/stop", via="x")
        with_secret(controlled, "GET", "/client/v4/accounts/acc/ai/models/search")
    assert SECRET not in caplog.text
    assert SECRET not in repr(Control(SECRET, lambda: None, Asked().load, Asked().unload))
