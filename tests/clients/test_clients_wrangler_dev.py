"""`wrangler dev` and Vite, unmodified, in projects that `fireside worker init` has changed."""

import json
import re
import shutil
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import httpx
from typer.testing import CliRunner

from fireside.cli.main import app
from support.compatibility import npm_version
from support.live_server import LiveServer
from support.wrangler import dev_server, wrangler_dev

HERE = Path(__file__).parent
CONFIGS = {
    "wrangler.jsonc": """{
  "name": "app", // mine
  "main": "index.ts",
  "compatibility_date": "2026-04-21",
  "ai": { "binding": "AI" },
}
""",
    "wrangler.toml": """name = "app"
main = "index.ts"
compatibility_date = "2025-01-01"

[ai]
binding = "AI"
""",
}

EVERYWHERE = """{
  "name": "app",
  "main": "./index.ts",
  "compatibility_date": "2026-04-21",
  "ai": { "binding": "AI" },
  "durable_objects": {
    "bindings": [
      { "name": "CHAT", "class_name": "Chat" },
      { "name": "OLD", "class_name": "Old" },
    ],
  },
  "migrations": [{ "tag": "v1", "new_sqlite_classes": ["Chat", "Old"] }],
  "services": [{ "binding": "NAMED", "service": "app", "entrypoint": "Named" }],
  "workflows": [{ "name": "flow", "binding": "FLOW", "class_name": "Flow" }],
  "triggers": { "crons": ["0 0 * * *"] },
}
"""

Proven = Callable[[str, str, str, str], None]


def make_project(
    folder: Path, config: str, worker: str, server: LiveServer, *options: str, text: str | None = None
) -> Path:
    folder.mkdir()
    (folder / config).write_text(text or CONFIGS[config], encoding="utf-8")
    shutil.copy(HERE / worker, folder / "index.ts")
    command = ["worker", "init", str(folder), "--url", server.url, "--account", "acc", *options]
    assert CliRunner().invoke(app, command).exit_code == 0
    return folder


def test_an_answer(
    server: LiveServer, npm_clients: Path, client_environment: dict[str, str], tmp_path: Path, proven: Proven
) -> None:
    project = make_project(tmp_path / "project", "wrangler.jsonc", "workers/openhermes.ts", server)
    with wrangler_dev(npm_clients, client_environment, project, "wrangler.jsonc") as url:
        answer = httpx.get(url, timeout=60, trust_env=False).json()
    assert answer["response"] == "What is the origin of the phrase Hello, World"
    assert answer["usage"]["total_tokens"] == 18
    proven("wrangler", npm_version(npm_clients, "wrangler"), "`dev`: the Worker of the model's page", "works")


def test_a_stream(
    server: LiveServer, npm_clients: Path, client_environment: dict[str, str], tmp_path: Path, proven: Proven
) -> None:
    """With a token, and a configuration of its own for development."""
    token, _ = server.store.create_token("acc", "test")
    project = make_project(
        tmp_path / "project", "wrangler.toml", "workers/openhermes_streaming.ts", server, "--dev-only"
    )
    (project / ".dev.vars").write_text(f"FIRESIDE_TOKEN={token}\n", encoding="utf-8")
    with wrangler_dev(npm_clients, client_environment, project, "wrangler.fireside.toml") as url:
        response = httpx.get(url, timeout=60, trust_env=False)
        assert response.headers["content-type"] == "text/event-stream"
        *pieces, done, end = response.text.split("\n\n")
        assert (done, end) == ("data: [DONE]", "")
        said = [json.loads(piece.removeprefix("data: ")) for piece in pieces]
        assert "".join(piece["response"] for piece in said) == "What is the origin of the phrase Hello, World"
        assert said[-1]["usage"]["total_tokens"] == 18
    proven("wrangler", npm_version(npm_clients, "wrangler"), "`dev`: the streaming Worker of the model's page", "works")


def test_the_binding_is_everywhere(
    server: LiveServer, npm_clients: Path, client_environment: dict[str, str], tmp_path: Path, proven: Proven
) -> None:
    project = make_project(tmp_path / "project", "wrangler.jsonc", "projects/everywhere.ts", server, text=EVERYWHERE)
    with wrangler_dev(npm_clients, client_environment, project, "wrangler.jsonc") as url:
        assert httpx.get(f"{url}/__scheduled", timeout=60, trust_env=False).status_code == 200
        told = httpx.get(url, timeout=60, trust_env=False).json()
    assert told == {
        "typeWhenRead": "function",
        "handler": "handler",
        "imported": "imported",
        "object": ["function", "object"],
        "old": "old",
        "entrypoint": "entrypoint",
        "workflow": "workflow",
        "scheduled": "scheduled",
    }
    ran = "`dev`: `env.AI` in handlers, Durable Objects, entrypoints, imported"
    proven("wrangler", npm_version(npm_clients, "wrangler"), ran, "works")


VITE = """import { cloudflare } from "@cloudflare/vite-plugin";
export default { plugins: [cloudflare({ inspectorPort: false })], server: { host: "127.0.0.1", port: PORT } };
"""


def test_vite(
    server: LiveServer, npm_clients: Path, client_environment: dict[str, str], tmp_path: Path, proven: Proven
) -> None:
    """It gives handlers and objects copies of the env. An object of old gets it from workerd alone."""
    project = make_project(tmp_path / "project", "wrangler.jsonc", "projects/everywhere.ts", server, text=EVERYWHERE)
    (project / "node_modules").symlink_to(npm_clients / "node_modules")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (project / "vite.config.mjs").write_text(VITE.replace("PORT", str(port)), encoding="utf-8")
    command = ["node", str(npm_clients / "node_modules/vite/bin/vite.js"), "dev", "--clearScreen=false"]
    environment = client_environment | {"NO_COLOR": "1"}
    with dev_server(command, environment, project, r"Local:\s+(http://\S+?)/?\s") as url:
        told = httpx.get(f"{url}/?old=no", timeout=60, trust_env=False).json()
    del told["scheduled"]
    assert told == {
        "typeWhenRead": "function",
        "handler": "handler",
        "imported": "imported",
        "object": ["function", "object"],
        "old": None,
        "entrypoint": "entrypoint",
        "workflow": "workflow",
    }
    version = npm_version(npm_clients, "@cloudflare/vite-plugin")
    ran = "`vite dev`: `env.AI` in handlers, Durable Objects, entrypoints, imported"
    proven("@cloudflare/vite-plugin", version, ran, "works")


def test_it_can_be_deployed(
    server: LiveServer, npm_clients: Path, client_environment: dict[str, str], tmp_path: Path, proven: Proven
) -> None:
    """As far as that can be tried here: what would be uploaded is made, and has the Worker's exports."""
    project = make_project(tmp_path / "project", "wrangler.jsonc", "projects/everywhere.ts", server, text=EVERYWHERE)
    command = [
        "node",
        str(npm_clients / "node_modules/wrangler/bin/wrangler.js"),
        "deploy",
        "--dry-run",
        "--outdir=out",
    ]
    done = subprocess.run(command, cwd=project, env=client_environment, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    script = (project / "out/main.js").read_text(encoding="utf-8")
    exported = re.search(r"export \{([^}]*)\};", script)
    assert exported
    names = {name.split(" as ")[-1].strip() for name in exported[1].split(",")}
    assert names == {"Chat", "Flow", "Named", "Old", "default"}
    assert server.url in script
    proven("wrangler", npm_version(npm_clients, "wrangler"), "`deploy --dry-run`", "works")
