"""The examples of docs/workers.md, as they are except for the server's address: vitest in workerd, miniflare, Node."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.compatibility import npm_version
from support.documents import ROOT, examples, read
from support.echo_service import PLAIN, EchoService
from support.live_server import LiveServer, live_server, wait_until

PAGE = "docs/workers.md"
PRINTED_URL = "http://127.0.0.1:8787"
WRANGLER = """{
  "name": "app",
  "main": "index.js",
  "compatibility_date": "2026-04-21",
  "%s
}
"""
AI = 'ai": { "binding": "AI" }'
NONE = 'vars": {}'

Proven = Callable[[str, str, str, str], None]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LiveServer]:
    with live_server(tmp_path / "data", EchoService(stand_in=PLAIN)) as running:
        yield running


@pytest.fixture
def project(npm_clients: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    shutil.copytree(ROOT / "clients" / "worker", folder / "fireside-ai")
    (folder / "node_modules").symlink_to(npm_clients / "node_modules")
    return folder


def node(project: Path, *arguments: str, **variables: str) -> str:
    environment = os.environ | {"CI": "1", "NO_COLOR": "1", "CLOUDFLARE_CF_FETCH_ENABLED": "false"} | variables
    done = subprocess.run(
        ["node", *arguments], cwd=project, env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("helper", "binding"),
    [("firesideAI", AI), ("firesideAI", NONE), ("firesideWorker", NONE)],
    ids=["ai", "none", "wrapped"],
)
def test_vitest(
    server: LiveServer, project: Path, npm_clients: Path, helper: str, binding: str, proven: Proven
) -> None:
    (config,) = examples(PAGE, "js", f'{helper}("{PRINTED_URL}"')[:1]
    (test,) = examples(PAGE, "js", 'from "cloudflare:workers"')
    token = ""
    if helper == "firesideWorker":
        token, _ = server.store.create_token("local", "test")
        wait_until(server.store.has_tokens)
    (project / "vitest.config.mjs").write_text(config.replace(PRINTED_URL, server.url), encoding="utf-8")
    (project / "answer.test.js").write_text(test, encoding="utf-8")
    (project / "index.js").write_text("export default {};", encoding="utf-8")
    (project / "wrangler.jsonc").write_text(WRANGLER % binding, encoding="utf-8")
    said = node(project, "node_modules/vitest/vitest.mjs", "run", FIRESIDE_TOKEN=token)
    assert re.search(r"Tests +1 passed \(1\)", said)
    assert [request.prompt for request in server.service.requests] == ["hello there"]
    version = npm_version(npm_clients, "@cloudflare/vitest-pool-workers")
    proven("@cloudflare/vitest-pool-workers", version, f"`env.AI` in a test, by `{helper}`", "works")


@pytest.mark.parametrize("what", ["new Miniflare(", "new Ai({"])
def test_scripts(server: LiveServer, project: Path, what: str) -> None:
    (script,) = examples(PAGE, "js", what)
    (project / "script.mjs").write_text(script.replace(PRINTED_URL, server.url), encoding="utf-8")
    assert node(project, "script.mjs").startswith("hello there")


def test_the_address_without_the_helper() -> None:
    (address,) = re.findall(r'new URL\("(\S+)"\)', read(PAGE))
    script = (
        f'import {{ bindingURL }} from "{ROOT}/clients/worker/src/ai.js"; console.log(bindingURL("{PRINTED_URL}/"))'
    )
    assert node(ROOT, "--input-type=module", "-e", script).strip() == address
