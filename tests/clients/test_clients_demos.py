"""Cloudflare's demo Workers, unchanged, after `fireside worker init`; the model that they name is in a catalog file."""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from fireside.cli.main import app
from support.compatibility import npm_version
from support.echo_service import PLAIN, EchoService
from support.live_server import live_server
from support.serving import serving
from support.suites import Bench, in_miniflare, make_bench

OWN_MODEL = """
id = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"
context_length = 4096
[source]
kind = "none"
[prompt]
style = "plain"
[engine]
kind = "echo"
"""

Proven = Callable[[str, str, str, str], None]


@pytest.fixture(scope="module")
def bench(npm_clients: Path, npm_ai_7: Path, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """The AI SDK refuses a system message among the others today, unless it is told not to."""
    rename = {"stopWhen: isStepCount(5),": "stopWhen: isStepCount(5), allowSystemInMessages: true,"}
    return make_bench(tmp_path_factory.mktemp("demos"), npm_clients, npm_ai_7, rename=rename)


@pytest.fixture(scope="module")
def echo_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    data_dir = tmp_path_factory.mktemp("echo")
    (data_dir / "catalog").mkdir()
    (data_dir / "catalog/own.toml").write_text(OWN_MODEL, encoding="utf-8")
    with serving(data_dir, "echo") as running:
        yield running


@pytest.fixture(scope="module")
def calling_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A model that calls what it is told to call, and then says what came of it."""
    with live_server(tmp_path_factory.mktemp("calling"), EchoService(stand_in=PLAIN)) as running:
        yield running.url


@contextmanager
def demo(name: str, bench: Bench, url: str, folder: Path) -> Iterator[str]:
    """The address of a demo's Worker."""
    project = shutil.copytree(bench.suite(f"cloudflare-ai/demos/{name}"), folder / name)
    done = CliRunner().invoke(app, ["worker", "init", str(project), "--url", url, "--account", "acc"])
    assert done.exit_code == 0, done.output
    with in_miniflare(bench, project / "fireside-ai/main.js", url, remote=False) as address:
        yield address


def note(bench: Bench, name: str, proven: Proven, what: str) -> None:
    versions = " with ".join(npm_version(bench.folder, package) for package in ("workers-ai-provider", "ai"))
    proven("Cloudflare's demo Workers", versions, f"{name}, {what}", "passed" if "smoke" in what else "works")


def test_text_generation(bench: Bench, echo_url: str, tmp_path: Path, proven: Proven) -> None:
    with demo("text-generation", bench, echo_url, tmp_path) as address:
        answer = httpx.post(address, json={"prompt": "hello there"}, timeout=60, trust_env=False)
    assert answer.status_code == 200
    assert "hello there" in json.dumps(answer.json()["steps"][0]["content"])
    note(bench, "text-generation", proven, "after `fireside worker init`")


def test_text_generation_streamed(bench: Bench, echo_url: str, tmp_path: Path, proven: Proven) -> None:
    with demo("text-generation-stream", bench, echo_url, tmp_path) as address:
        answer = httpx.post(address, json={"prompt": "hello there"}, timeout=60, trust_env=False)
    frames = [frame.removeprefix("data: ") for frame in answer.text.strip().split("\n\n")]
    assert frames.pop() == "[DONE]"
    parts = [json.loads(frame) for frame in frames]
    assert "".join(part.get("delta", "") for part in parts) == "hello there"
    assert parts[-1]["type"] == "finish"
    note(bench, "text-generation-stream", proven, "after `fireside worker init`")


@pytest.mark.parametrize("name", ["tool-calling", "tool-calling-stream", "structured-output"])
def test_its_smoke_test(
    bench: Bench, name: str, echo_url: str, calling_url: str, tmp_path: Path, proven: Proven
) -> None:
    url = echo_url if name == "structured-output" else calling_url
    with demo(name, bench, url, tmp_path) as address:
        ran = bench.run(f"cloudflare-ai/demos/{name}/smoke.test.ts", url, WORKER=address)
    assert set(ran.values()) == {"passed"}
    assert len(ran) == (1 if name == "structured-output" else 2)
    note(bench, name, proven, "its smoke test")
