"""Pages of other origins: refused unless the operator allows them, and then in every mode of the server."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from fireside.errors import ConfigError
from fireside.settings import load_settings
from support.live_server import LiveServer, check_error, live_server, wait_until

PAGE = "http://localhost:5173"
FOREIGN = "https://evil.example"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LiveServer]:
    with live_server(tmp_path, allowed_origins=f"https://app.example , {PAGE}") as running:
        yield running


def preflight(server: LiveServer, path: str, origin: str, method: str = "POST") -> httpx.Response:
    headers = {
        "origin": origin,
        "access-control-request-method": method,
        "access-control-request-headers": "authorization,content-type",
    }
    return server.client.options(path, headers=headers)


AI = "/client/v4/accounts/acc/ai"
ROUTES = [
    ("POST", f"{AI}/run/@cf/fireside/echo"),
    ("GET", f"{AI}/models/search"),
    ("POST", f"{AI}/v1/chat/completions"),
    ("POST", "/v1/completions"),
    ("GET", "/v1/models"),
    ("POST", f"{AI}/finetunes"),
    ("POST", f"{AI}/finetunes/x/finetune-assets"),
    ("DELETE", f"{AI}/finetunes/x"),
    ("POST", f"{AI}/binding/run"),
    ("PATCH", f"{AI}/binding/ai-gateway/gateways/mine/logs/x"),
    ("POST", "/v1/acc/mine/workers-ai/@cf/fireside/echo"),
    ("GET", "/client/v4/user/tokens/verify"),
    ("GET", "/openapi.json"),
    ("GET", "/ready"),
]
"""One of each kind."""


@pytest.mark.parametrize(("method", "path"), ROUTES)
@pytest.mark.parametrize("locked", [False, True])
def test_preflights(server: LiveServer, method: str, path: str, locked: bool) -> None:
    if locked:
        server.store.create_token("acc", "t")
        wait_until(server.store.has_tokens)
    answer = preflight(server, path, PAGE, method)
    assert answer.status_code == 200
    assert method in answer.headers["access-control-allow-methods"]
    assert answer.headers["access-control-allow-credentials"] == "true"
    assert answer.headers["access-control-allow-origin"] == PAGE
    assert "authorization" in answer.headers["access-control-allow-headers"]
    assert "Origin" in answer.headers["vary"]
    refused = preflight(server, path, FOREIGN)
    assert refused.status_code == 400
    assert "access-control-allow-origin" not in refused.headers


@pytest.mark.parametrize("stream", [False, True])
def test_answers_streams_and_errors_name_the_origin(server: LiveServer, stream: bool) -> None:
    page = {"origin": PAGE, "sec-fetch-site": "cross-site"}
    good = server.run({"prompt": "hi", "stream": stream}, headers=page)
    wrong = server.run({"prompt": ""}, headers=page)
    missing = server.client.get("/nowhere", headers=page)
    assert [answer.status_code for answer in (good, wrong, missing)] == [200, 400, 404]
    for answer in (good, wrong, missing):
        assert answer.headers["access-control-allow-origin"] == PAGE
        assert "cf-ai-req-id" in answer.headers["access-control-expose-headers"]
        assert answer.headers["vary"] == "Origin"
    assert server.client.get("/openapi.json").headers["vary"] == "Origin"  # a cache must not give it to a page
    foreign = server.run({"prompt": "hi"}, headers={"origin": FOREIGN})
    assert foreign.headers["vary"] == "Origin"
    assert "FIRESIDE_ALLOWED_ORIGINS" in check_error(foreign, 403, 10000)
    assert "access-control-allow-origin" not in foreign.headers


def test_a_page_needs_a_token_like_everybody(server: LiveServer) -> None:
    token, _ = server.store.create_token("acc", "t")
    wait_until(server.store.has_tokens)
    refused = server.run({"prompt": "hi"}, headers={"origin": PAGE})
    check_error(refused, 401, 10000)
    assert refused.headers["access-control-allow-origin"] == PAGE
    headers = {"origin": PAGE, "authorization": f"Bearer {token}"}
    assert server.run({"prompt": "hi"}, headers=headers).status_code == 200


def test_every_page_counts_only_with_tokens(tmp_path: Path) -> None:
    with live_server(tmp_path, allowed_origins="*") as server:
        check_error(server.run({"prompt": "hi"}, headers={"origin": FOREIGN}), 403, 10000)
        token, _ = server.store.create_token("acc", "t")
        wait_until(server.store.has_tokens)
        headers = {"origin": FOREIGN, "authorization": f"Bearer {token}"}
        answer = server.run({"prompt": "hi"}, headers=headers)
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, "*")
        assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize(
    "value", ["localhost:5173", "https://a.example/path", "https://*.example", "*, https://a.example"]
)
def test_what_is_no_origin_is_refused(value: str) -> None:
    with pytest.raises(ConfigError, match="FIRESIDE_ALLOWED_ORIGINS"):
        load_settings(allowed_origins=value)
