"""Who may call what: over real HTTP, on every route there is."""

import logging
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from starlette.routing import Route

from fireside.addresses import is_loopback
from fireside.api.app import create_app, create_router
from fireside.api.context import Context
from fireside.api.http.auth import _HANDED_ON, is_public
from fireside.api.openai import error_body as openai_errors
from fireside.api.routes import binding
from fireside.errors import ConfigError
from fireside.settings import Settings
from fireside.store.store import Store
from fireside.store.tokens import SCOPES
from fireside.web.assets import load_assets
from support.echo_service import EchoService
from support.live_server import (
    LiveServer,
    check_binding_error,
    check_error,
    check_openai_error,
    check_raw_error,
    live_server,
    wait_until,
)


def _routes() -> list[tuple[str, str]]:
    router = create_router(Context(Settings(), EchoService(), None, None, None, None, None, None))  # type: ignore[arg-type]
    found = []
    for route in router.routes:
        assert isinstance(route, Route)
        path = route.path.replace("{account_id}", "acc").replace("{model:path}", "@cf/fireside/echo")
        path = path.replace("{version}", load_assets().version).replace("{name:path}", "style.css")
        found += [(method, path) for method in sorted(route.methods or ())]
    return found


ROUTES = _routes()
GUARDED = [(method, path) for method, path in ROUTES if not is_public(path)]
FINETUNES = "/client/v4/accounts/acc/ai/finetunes"
PUBLIC = sorted({path for _, path in ROUTES if is_public(path)})


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[LiveServer, str]]:
    """A server with a token for the account acc, and that token."""
    with live_server(tmp_path_factory.mktemp("locked")) as server:
        token, _ = server.store.create_token("acc", "test", SCOPES)
        wait_until(server.store.has_tokens)
        yield server, token


def checker(path: str) -> Callable[[httpx.Response, int, int], str]:
    if binding.PATHS.fullmatch(path):
        return check_binding_error
    return check_openai_error if openai_errors.PATHS.fullmatch(path) else check_error


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def test_the_route_table_is_whole() -> None:
    assert ("POST", "/client/v4/accounts/acc/ai/run/@cf/fireside/echo") in GUARDED
    assert len(GUARDED) > 10
    pages = {"/", "/docs", "/playground", "/models/@cf/fireside/echo", f"/static/{load_assets().version}/style.css"}
    assert set(PUBLIC) == {"/health", "/healthz", "/ready", "/openapi.json", *pages}
    assert ("POST", "/api/models/@cf/fireside/echo/download") in GUARDED


@pytest.mark.parametrize(("method", "path"), [*GUARDED, ("GET", "/nowhere"), ("OPTIONS", GUARDED[0][1])])
def test_every_route_needs_a_token(locked: tuple[LiveServer, str], method: str, path: str) -> None:
    server, token = locked
    response = server.client.request(method, path)
    assert response.headers["www-authenticate"] == "Bearer"
    assert response.status_code == 401
    if method != "HEAD":
        assert checker(path)(response, 401, 10000) == "Authentication error"
    allowed = server.client.request(method, path, headers=bearer(token), params={"model": "@cf/fireside/echo"})
    assert allowed.status_code not in (401, 403)


@pytest.mark.parametrize("path", PUBLIC)
def test_public_paths_need_none(locked: tuple[LiveServer, str], path: str) -> None:
    assert locked[0].client.get(path, headers={"authorization": "Bearer wrong"}).status_code == 200


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        "Bearer wrong",
        "Bearer {token}x",
        "Bearer {token} x",
        "Bearer {near}",
        "Bearer {upper}",
        "Basic {token}",
        "Token {token}",
        "{token}",
        "Bearer Bearer {token}",
        "Bearer {token}, Bearer {token}",
        "Bearer gr\u00fc\u00df",
        "Bearer ../../{token}",
        "Bearer fireside_0000000000000000_" + "0" * 64,
        "Bearer " + "a" * 20_000,
    ],
)
def test_bad_tokens(locked: tuple[LiveServer, str], header: str) -> None:
    server, token = locked
    near = token[:-1] + ("0" if token[-1] != "0" else "1")
    value = header.format(token=token, near=near, upper=token.upper())
    head = f"GET /client/v4/user HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: {value}\r\n\r\n"
    received = server.exchange(head.encode("latin-1"))
    assert check_raw_error(received, 401, 10000) == "Authentication error"


def test_a_giant_token(locked: tuple[LiveServer, str]) -> None:
    server, _ = locked
    received = server.exchange(b"GET / HTTP/1.1\r\nAuthorization: Bearer " + b"a" * 1_000_000 + b"\r\n\r\n")
    assert not received or check_raw_error(received, 431, 3006)


def test_two_tokens_are_none(locked: tuple[LiveServer, str]) -> None:
    server, token = locked
    headers = [("authorization", f"Bearer {token}")] * 2
    check_error(server.client.get("/client/v4/user", headers=headers), 401, 10000)


@pytest.mark.parametrize("scheme", ["Bearer ", "bearer ", "BEARER   "])
def test_a_good_token(locked: tuple[LiveServer, str], scheme: str) -> None:
    server, token = locked
    response = server.run({"prompt": "hi"}, headers={"authorization": scheme + token})
    assert response.json()["result"]["response"] == "hi"


def test_a_token_as_an_api_key(locked: tuple[LiveServer, str]) -> None:
    """Older clients, and wrangler with CLOUDFLARE_API_KEY and CLOUDFLARE_EMAIL."""
    server, token = locked
    email = {"x-auth-email": "me@example.com"}
    for name in ("x-auth-key", "mf-header-x-auth-key"):
        assert server.run({"prompt": "hi"}, headers={name: token, **email}).json()["result"]["response"] == "hi"
        for wrong in ("", "wrong", f"Bearer {token}", f"{token} {token}", token[:-1]):
            check_error(server.run({"prompt": "hi"}, headers={name: wrong, **email}), 401, 10000)
    # What says more of itself counts, and two of a kind are none.
    both = {"authorization": "Bearer wrong", "x-auth-key": token}
    check_error(server.run({"prompt": "hi"}, headers=both), 401, 10000)
    twice = [("x-auth-key", token)] * 2
    check_error(server.client.get("/client/v4/user", headers=twice), 401, 10000)
    check_error(server.run({"prompt": "hi"}, headers=email), 401, 10000)


@pytest.mark.parametrize("place", ["user/tokens/verify", "accounts/acc/tokens/verify"])
def test_verifying_a_token(locked: tuple[LiveServer, str], place: str) -> None:
    server, token = locked
    for headers in (bearer(token), {"x-auth-key": token, "x-auth-email": "me@example.com"}):
        answer = server.client.get(f"/client/v4/{place}", headers=headers).json()
        assert answer["result"]["status"] == "active"
        assert answer["messages"][0]["message"] == "This API Token is valid and active"
    check_error(server.client.get(f"/client/v4/{place}"), 401, 10000)
    if place.startswith("accounts"):
        other = server.client.get("/client/v4/accounts/other/tokens/verify", headers=bearer(token))
        check_error(other, 403, 10000)


def test_a_token_is_for_its_own_account(locked: tuple[LiveServer, str]) -> None:
    server, token = locked
    other, _ = server.store.create_token("other", "test")
    server.service.reset()
    answers = []
    # One that exists, one that does not, and one that cannot be: nothing tells them apart.
    for account in ("other", "nobody", "no%20body", "..", ""):
        path = server.run_path(account=account)
        received = server.exchange(
            f"POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n"
            'Content-Length: 16\r\n\r\n{"prompt": "hi"}'.encode()
        )
        check_raw_error(received, 403, 10000)
        answers.append(received.partition(b"\r\n\r\n")[2])
    assert len(set(answers)) == 1
    assert server.service.requests == []
    response = server.client.post(server.run_path(account="other"), json={"prompt": "hi"}, headers=bearer(other))
    assert response.status_code == 200
    assert [request.account for request in server.service.requests] == ["other"]
    wait_until(lambda: [usage.requests for usage in server.store.usage("other")] == [1])


def test_a_revoked_token(locked: tuple[LiveServer, str]) -> None:
    server, _ = locked
    token, record = server.store.create_token("acc", "short-lived")
    assert server.client.get("/client/v4/user", headers=bearer(token)).status_code == 200
    server.store.revoke_token(record.token_id)
    wait_until(lambda: server.client.get("/client/v4/user", headers=bearer(token)).status_code == 401)


def test_tokens_are_in_no_log_and_no_answer(locked: tuple[LiveServer, str], caplog: pytest.LogCaptureFixture) -> None:
    server, token = locked
    caplog.set_level(logging.DEBUG)
    secret = token.rpartition("_")[2]
    for text in (token, token + "x"):
        for body in ({"prompt": "hi"}, {"prompt": "!bug"}, {"prompt": 5}):
            assert secret not in server.run(body, headers=bearer(text)).text
    assert secret not in caplog.text


def test_what_clients_ask_before_they_act(locked: tuple[LiveServer, str]) -> None:
    server, token = locked

    def get(path: str) -> object:
        response = server.client.get(f"/client/v4{path}", headers=bearer(token))
        assert response.status_code == 200
        return response.json()["result"]

    verified = get("/user/tokens/verify")
    assert isinstance(verified, dict)
    assert verified["status"] == "active"
    assert verified["id"] in token
    account = {"id": "acc", "name": "acc", "type": "standard"}
    assert get("/accounts") == [account]
    assert get("/accounts/acc") == account
    assert get("/memberships") == [{"id": "acc", "status": "accepted", "account": account}]
    user = get("/user")
    assert isinstance(user, dict)
    assert user["id"] == "acc"


CHANGING = [(method, path) for method, path in GUARDED if method not in ("GET", "HEAD")]


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize(("method", "path"), CHANGING)
def test_a_token_does_what_its_scopes_say(locked: tuple[LiveServer, str], method: str, path: str, scope: str) -> None:
    server, _ = locked
    token, _ = server.store.create_token("acc", scope, [scope])
    wanted = "finetunes" if "/finetunes" in path else "admin" if path.endswith("/download") else "run"
    # What two of the routes hand on: the binding's own call, as miniflare and wrangler wrap it.
    call = f"https://workers-binding.ai/{'ai-gateway/gateways/g/logs/1' if method == 'PATCH' else 'run?version=3'}"
    response = server.client.request(method, path, headers={**bearer(token), "mf-url": call, "x-forwarded": call})
    refused = response.status_code == 403 and f"scope {wanted}" in response.text
    assert refused == (scope != wanted), response.text


# Without any token


def test_any_account_is_open_on_loopback(server: LiveServer) -> None:
    for account in ("acc", "0123456789abcdef0123456789abcdef", "A-b_9"):
        assert server.client.post(server.run_path(account=account), json={"prompt": "hi"}).status_code == 200
    assert [request.account for request in server.service.requests][-1] == "A-b_9"
    wrong = server.run({"prompt": "hi"}, headers=bearer("anything"))
    assert wrong.status_code == 200


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:87", "127.0.0.1", "127.1.2.3:80", "[::1]:8787", "a.localhost"]
)
def test_local_hosts_are_answered(shared_server: LiveServer, host: str) -> None:
    assert shared_server.run({"prompt": "hi"}, headers={"host": host}).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.io", "10.0.0.1", "", "["])
def test_rebound_names_are_refused(server: LiveServer, host: str) -> None:
    check_error(server.run({"prompt": "hi"}, headers={"host": host}), 403, 10000)
    check_error(server.client.get("/", headers={"host": host}), 403, 10000)
    assert server.client.get("/health", headers={"host": host}).status_code == 200
    assert server.service.requests == []


def test_a_missing_host_is_refused(shared_server: LiveServer) -> None:
    received = shared_server.exchange(b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")
    check_raw_error(received, 403, 10000)


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "null",
        "http://127.0.0.1.evil.example",
        "file://",
        "http://localhost:5173",
        "http://localhost",
        "http://evil.localhost:{port}",
        "https://127.0.0.1:{port}",
        "",
    ],
)
def test_web_pages_of_elsewhere_are_refused(server: LiveServer, origin: str) -> None:
    headers = {"origin": origin.format(port=urlsplit(server.url).port)}
    sends: tuple[Callable[[], httpx.Response], ...] = (
        lambda: server.run({"prompt": "hi"}, headers=headers),
        lambda: server.client.get("/", headers=headers),
        # What a page may send without asking first: no preflight, no JSON content type.
        lambda: server.client.post(FINETUNES, content='{"model": "m", "name": "n"}', headers=headers),
    )
    for send in sends:
        check_error(send(), 403, 10000)
    assert server.service.requests == []
    assert server.store.finetunes.of_account("acc") == []


@pytest.mark.parametrize("site", ["cross-site", "same-site", "anything"])
def test_so_are_those_that_hide_their_origin(server: LiveServer, site: str) -> None:
    headers = {"sec-fetch-site": site}
    check_error(server.run({"prompt": "hi"}, headers=headers), 403, 10000)
    check_error(server.client.get(FINETUNES, headers=headers), 403, 10000)
    check_error(server.client.post("/", headers=headers), 403, 10000)
    assert server.client.get("/", headers=headers).status_code == 200  # a link that somebody follows
    assert server.service.requests == []


def test_pages_of_its_own_are_answered_without_cors(shared_server: LiveServer) -> None:
    own = {"host": "LocalHost:81", "origin": "http://localhost:81", "sec-fetch-site": "same-origin"}
    for headers in ({"origin": shared_server.url}, own, {"sec-fetch-site": "none"}):
        response = shared_server.run({"prompt": "hi"}, headers=headers)
        assert response.status_code == 200
        assert not [name for name in response.headers if name.startswith("access-control")]


@pytest.mark.parametrize("name", _HANDED_ON)
def test_what_a_proxy_hands_on_needs_a_token(server: LiveServer, name: str) -> None:
    """A reverse proxy on the same machine sends its requests from loopback, and often to a loopback name."""
    headers = {name: "127.0.0.1"}
    response = server.run({"prompt": "hi"}, headers=headers)
    check_error(response, 403, 10000)
    assert "fireside token create" in response.text
    check_error(server.client.get("/", headers=headers), 403, 10000)
    assert server.client.get("/health", headers=headers).status_code == 200
    assert server.service.requests == []


def test_with_a_token_it_does_not_matter_what_it_came_through(locked: tuple[LiveServer, str]) -> None:
    server, token = locked
    headers = {**dict.fromkeys(_HANDED_ON, "127.0.0.1"), "origin": "http://a.example", "sec-fetch-site": "cross-site"}
    assert server.run({"prompt": "hi"}, headers={**headers, **bearer(token)}).status_code == 200


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "192.168.0.1", "example.com"])
def test_no_open_server_for_the_network(tmp_path: Path, host: str) -> None:
    settings = Settings(host=host, data_dir=tmp_path)
    with Store(tmp_path / "store.db") as store:
        with pytest.raises(ConfigError, match="fireside token create"):
            create_app(settings, EchoService(), store)
        store.create_token("acc", "test")
        wait_until(store.has_tokens)
        create_app(settings, EchoService(), store)


def test_loopback_names() -> None:
    assert all(map(is_loopback, ["localhost", "localhost.", "127.0.0.1", "::1", "[::1]", "x.localhost"]))
    assert not any(map(is_loopback, ["", "0.0.0.0", "::", "127.0.0.1.x", "notlocalhost", "2130706433", "0x7f.1"]))


def test_every_route_has_its_error_shape(shared_server: LiveServer) -> None:
    for path in {re.sub(r"\?.*", "", path) for _, path in ROUTES}:
        response = shared_server.client.request("PROPFIND", path)
        checker(path)(response, 405, 7001)
        assert response.headers["cf-ai-req-id"]


def test_functions_want_what_runs_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wasmtime", None)  # as if it were not installed
    with Store(tmp_path / "fireside.db") as store:
        with pytest.raises(ConfigError, match=r"make extras.*\[functions\]"):
            create_app(Settings(data_dir=tmp_path, functions=True), EchoService(), store)
        create_app(Settings(data_dir=tmp_path), EchoService(), store)
