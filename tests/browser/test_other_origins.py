"""A page of another origin, in a real browser, that calls a server: fetch, streams, errors, OpenAI's SDK."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from support.echo_service import PLAIN
from support.file_server import FileServer, Served, file_server
from support.live_server import LiveServer, live_server, wait_until

RUN = f"/client/v4/accounts/acc/ai/run/{PLAIN}"
ASK = """async ({ url, headers, body, credentials }) => {
  try {
    const response = await fetch(url, { method: "POST", headers, credentials, body: JSON.stringify(body) });
    const id = response.headers.get("cf-ai-req-id");
    const retry = response.headers.get("retry-after");
    return { status: response.status, id, retry, text: await response.text() };
  } catch (error) {
    return { error: error.name };
  }
}"""
STREAM = """async ({ url, body }) => {
  const headers = { "content-type": "application/json" };
  const response = await fetch(url, { method: "POST", headers, body: JSON.stringify(body) });
  const pieces = [];
  for await (const piece of response.body.pipeThrough(new TextDecoderStream())) pieces.push(piece);
  return pieces;
}"""
SDK = """async ({ url, token, model }) => {
  const { default: OpenAI } = await import("/openai.mjs");
  const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: token, dangerouslyAllowBrowser: true, maxRetries: 0 });
  const asked = { model, messages: [{ role: "user", content: "one two three" }] };
  const whole = await client.chat.completions.create(asked);
  const pieces = [];
  for await (const chunk of await client.chat.completions.create({ ...asked, stream: true })) {
    pieces.push(chunk.choices[0]?.delta?.content ?? "");
  }
  let refused = null;
  try {
    await client.chat.completions.create({ ...asked, messages: [{ role: "user", content: "!busy" }] });
  } catch (error) {
    refused = { name: error.constructor.name, status: error.status, message: error.message };
  }
  return { text: whole.choices[0].message.content, pieces, refused, models: (await client.models.list()).data.length };
}"""


@pytest.fixture
def files() -> Iterator[FileServer]:
    with file_server() as running:
        running.files["/"] = Served(b"<!doctype html><title>mine</title>", content_type="text/html")
        yield running


@contextmanager
def opened(browser: Browser, url: str) -> Iterator[Page]:
    context = browser.new_context()
    page = context.new_page()
    page.goto(url)
    yield page
    context.close()  # and with it the connections that it keeps


@pytest.fixture
def server(tmp_path: Path, files: FileServer) -> Iterator[LiveServer]:
    with live_server(tmp_path, allowed_origins=files.url) as running:
        yield running


@pytest.fixture
def page(browser: Browser, files: FileServer, server: LiveServer) -> Iterator[Page]:
    """On an origin of its own, which the server allows."""
    with opened(browser, f"{files.url}/") as page:
        yield page


def ask(page: Page, server: LiveServer, prompt: str, path: str = RUN, **fields: object) -> dict[str, Any]:
    headers = {"content-type": "application/json"}
    given = {"url": server.url + path, "headers": headers, "body": {"prompt": prompt}, "credentials": "omit"} | fields
    said: dict[str, Any] = page.evaluate(ASK, given)
    return said


@pytest.mark.parametrize("credentials", ["omit", "include"])
def test_an_answer(page: Page, server: LiveServer, credentials: str) -> None:
    said = ask(page, server, "hi", credentials=credentials)
    assert said["status"] == 200
    assert '"response":"hi"' in said["text"]
    assert said["id"]


def test_a_stream(page: Page, server: LiveServer) -> None:
    server.service.delay = 0.05
    pieces = page.evaluate(STREAM, {"url": server.url + RUN, "body": {"prompt": "one two three", "stream": True}})
    assert len(pieces) > 2
    assert pieces[0].startswith('data: {"response":"one"}')
    assert "".join(pieces).endswith("data: [DONE]\n\n")


def test_errors_can_be_read(page: Page, server: LiveServer) -> None:
    busy, bug, wrong = ask(page, server, "!busy"), ask(page, server, "!bug"), ask(page, server, "")
    missing = ask(page, server, "hi", path="/nowhere")
    assert [each["status"] for each in (busy, bug, wrong, missing)] == [429, 500, 400, 404]
    assert busy["retry"]
    assert all('"success":false' in each["text"] for each in (busy, bug, wrong, missing))
    token, _ = server.store.create_token("acc", "t")
    wait_until(server.store.has_tokens)
    refused = ask(page, server, "hi")
    assert refused["status"] == 401
    assert "Authentication error" in refused["text"]
    headers = {"authorization": f"Bearer {token}"}
    assert ask(page, server, "hi", headers=headers)["status"] == 200


def test_openais_sdk(page: Page, server: LiveServer, files: FileServer, npm_clients: Path, tmp_path: Path) -> None:
    bundle = tmp_path / "openai.mjs"
    command = [
        str(npm_clients / "node_modules/.bin/esbuild"),
        "openai",
        "--bundle",
        "--format=esm",
        "--platform=browser",
    ]
    subprocess.run([*command, f"--outfile={bundle}"], cwd=npm_clients, check=True, capture_output=True, timeout=60)
    files.files["/openai.mjs"] = Served(bundle.read_bytes(), content_type="text/javascript")
    token, _ = server.store.create_token("acc", "t")
    wait_until(server.store.has_tokens)
    told = page.evaluate(SDK, {"url": server.url, "token": token, "model": PLAIN})
    assert told["text"] == "".join(told["pieces"]) == "one two three"
    assert len(told["pieces"]) > 2
    assert (told["refused"]["name"], told["refused"]["status"]) == ("RateLimitError", 429)
    assert told["models"] > 0


@pytest.mark.parametrize("settings", [{}, {"allowed_origins": "https://app.example"}])
def test_a_page_that_is_not_allowed_reads_nothing(
    browser: Browser, files: FileServer, tmp_path: Path, settings: dict[str, Any]
) -> None:
    with live_server(tmp_path, **settings) as server, opened(browser, f"{files.url}/") as page:
        assert ask(page, server, "hi") == {"error": "TypeError"}
        assert ask(page, server, "hi", headers={}) == {"error": "TypeError"}  # without a preflight
        assert server.service.requests == []
