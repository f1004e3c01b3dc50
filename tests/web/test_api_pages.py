"""The pages over HTTP: headers, caching, compression, and who gets what."""

import gzip

import pytest

from fireside.web.assets import load_assets
from support.live_server import LiveServer, check_error

HTML = {"accept": "text/html,application/xhtml+xml"}
STATIC = f"/static/{load_assets().version}"


def directives(policy: str) -> dict[str, str]:
    return dict(part.strip().partition(" ")[::2] for part in policy.split(";"))


@pytest.mark.parametrize("path", ["/", "/playground", "/models/@hf/mistral/mistral-7b-instruct-v0.2", "/models/x"])
def test_pages_have_a_strict_policy(shared_server: LiveServer, path: str) -> None:
    response = shared_server.client.get(path, headers=HTML)
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    policy = directives(response.headers["content-security-policy"])
    assert policy["default-src"] == "'none'"
    for name in ("base-uri", "form-action", "frame-ancestors"):
        assert policy[name] == "'none'"
    for name in ("script-src", "style-src", "connect-src", "font-src"):
        assert policy[name] == "'self'"
    assert policy["img-src"] == "'self' data:"
    assert policy["require-trusted-types-for"] == "'script'"
    assert response.headers["referrer-policy"] == "no-referrer"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["cache-control"] == "no-cache"


def test_programs_get_words_instead_of_a_page(shared_server: LiveServer) -> None:
    response = shared_server.client.get("/")
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    assert response.headers["vary"] == "accept"
    assert "/client/v4/accounts/ACCOUNT_ID/ai/run/MODEL" in response.text


def test_files_may_be_kept_for_ever(shared_server: LiveServer) -> None:
    response = shared_server.client.get(f"{STATIC}/js/lib/dom.js")
    assert response.headers["content-type"] == "text/javascript; charset=utf-8"
    assert response.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert "default-src 'none'" in response.headers["content-security-policy"]


@pytest.mark.parametrize("path", ["/playground", f"{STATIC}/style.css"])
def test_what_did_not_change_is_not_sent_again(shared_server: LiveServer, path: str) -> None:
    tag = shared_server.client.get(path).headers["etag"]
    again = shared_server.client.get(path, headers={"if-none-match": f'"other", {tag}'})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert shared_server.client.get(path, headers={"if-none-match": 'W/"other"'}).status_code == 200


def test_files_are_compressed_for_those_who_take_it(shared_server: LiveServer) -> None:
    plain = shared_server.client.get(f"{STATIC}/style.css", headers={"accept-encoding": "identity"})
    with shared_server.client.stream(
        "GET", f"{STATIC}/style.css", headers={"accept-encoding": "br, gzip;q=0.8"}
    ) as response:
        packed = b"".join(response.iter_raw())
    assert response.headers["content-encoding"] == "gzip"
    assert response.headers["vary"] == "accept-encoding"
    assert gzip.decompress(packed) == plain.content
    assert "content-encoding" not in plain.headers


@pytest.mark.parametrize(
    "path",
    [
        f"{STATIC}/js/none.js", f"{STATIC}/../../auth.py", f"{STATIC}/%2e%2e/assets.py", f"{STATIC}/playground.html",
        f"{STATIC}/js/lib", "/static/0000000000000000/style.css", "/static", STATIC,
    ],
)  # fmt: skip
def test_there_is_no_other_file(shared_server: LiveServer, path: str) -> None:
    raw = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
    assert shared_server.exchange(raw).startswith(b"HTTP/1.1 404 ")


def test_pages_only_answer_get(shared_server: LiveServer) -> None:
    for path in ("/", "/playground", "/models/@hf/a/b", f"{STATIC}/style.css"):
        check_error(shared_server.client.post(path), 405, 7001)
        assert shared_server.client.head(path).content == b""
