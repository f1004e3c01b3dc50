"""The snippets of the two models' pages, as they stand there except for host, account and token."""

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.adapters import CONFIG, WEIGHTS
from support.compatibility import python_version
from support.echo_service import AWQ, LORA
from support.live_server import LiveServer, live_server, wait_until

SNIPPETS = Path(__file__).parent / "snippets"
TUNE = "00000000-0000-0000-0000-000000000"

Proven = Callable[[str, str, str, str], None]


@pytest.fixture
def locked(tmp_path: Path) -> Iterator[tuple[LiveServer, str]]:
    """A server with a token for the account acc, and that token."""
    with live_server(tmp_path / "data") as server:
        token, _ = server.store.create_token("acc", "test")
        wait_until(server.store.has_tokens)
        server.client.headers["authorization"] = f"Bearer {token}"
        yield server, token


def filled(name: str, server: LiveServer, token: str) -> str:
    """A snippet with what its reader has to fill in."""
    text = (SNIPPETS / name).read_text(encoding="utf-8").replace("https://api.cloudflare.com", server.url)
    for blank in ("your-account-id", "{ACCOUNT_ID}", "<account>"):
        text = text.replace(blank, "acc")
    if name.endswith(".python"):
        text = text.replace("{acc}", "{ACCOUNT_ID}")  # that one was Python's
    return text.replace("{API_TOKEN}", token)


def curl(name: str, server: LiveServer, token: str) -> str:
    if not shutil.which("curl"):
        pytest.skip("needs curl")
    environment = {"PATH": "/usr/bin:/bin:/usr/local/bin", "CLOUDFLARE_ACCOUNT_ID": "acc", "NO_PROXY": "127.0.0.1"}
    done = subprocess.run(
        ["sh", "-c", filled(name, server, token)],
        env=environment | {"CLOUDFLARE_AUTH_TOKEN": token},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_python_requests(locked: tuple[LiveServer, str], monkeypatch: pytest.MonkeyPatch, proven: Proven) -> None:
    server, token = locked
    monkeypatch.setenv("CLOUDFLARE_AUTH_TOKEN", token)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    names: dict[str, dict[str, dict[str, str]]] = {}
    # The page ends with `return result.response`, which no Python takes outside of a function.
    exec(filled("openhermes.python", server, token), names)
    assert names["result"]["result"]["response"] == "Tell me all about PEP-8"
    assert [request.model for request in server.service.requests] == [AWQ]
    proven("requests", python_version("requests"), "the Python of the model's page", "works")


def test_curl_without_a_content_type(locked: tuple[LiveServer, str], proven: Proven) -> None:
    said = json.loads(curl("openhermes.sh", *locked))
    assert said["result"]["response"] == "Why is pizza so good"
    proven("curl", "any", "the model's page's command, with no content type", "works")


def test_curl_with_a_fine_tune(locked: tuple[LiveServer, str], adapter: Path, proven: Proven) -> None:
    """Its id that stands for an id is a good name."""
    server, token = locked
    tunes = "/client/v4/accounts/acc/ai/finetunes"
    server.client.post(tunes, json={"model": LORA, "name": TUNE}).raise_for_status()
    for name in (CONFIG, WEIGHTS):
        upload = {"file": (name, (adapter / name).read_bytes())}
        server.client.post(f"{tunes}/{TUNE}/finetune-assets", data={"file_name": name}, files=upload).raise_for_status()
    assert json.loads(curl("mistral_lora.sh", server, token))["result"]["response"] == "tell me a story"
    [request] = server.service.requests
    assert request.raw
    assert request.adapter is not None
    proven("curl", "any", 'the model\'s page\'s command, with `"raw": "true"` and a LoRA', "works")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("mistral_messages_streaming.sh", ["Why", " is", " pizza", " so", " good?"]),
        ("mistral_prompt_streaming.sh", ["where", " is", " new", " york?"]),
    ],
)
def test_curl_that_streams(locked: tuple[LiveServer, str], name: str, words: list[str], proven: Proven) -> None:
    *frames, usage, done, end = curl(name, *locked).split("\n\n")
    assert frames == [f'data: {{"response":"{word}"}}' for word in words]
    assert json.loads(usage.removeprefix("data: "))["usage"]["completion_tokens"] == len(words)
    assert (done, end) == ("data: [DONE]", "")
    proven("curl", "any", "the model's page's commands, streamed: the frames are the page's", "works")
