"""`wrangler ai models`, unmodified. Fine-tunes are in test_clients_finetunes.py."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

from support.compatibility import npm_version
from support.echo_service import AWQ, LORA, PLAIN
from support.live_server import LiveServer

Proven = Callable[[str, str, str, str], None]


def test_it_lists_the_models(
    server: LiveServer, npm_clients: Path, client_environment: dict[str, str], tmp_path: Path, proven: Proven
) -> None:
    command = ["node", str(npm_clients / "node_modules/wrangler/bin/wrangler.js"), "ai", "models"]
    as_json, as_table = (
        subprocess.run(
            [*command, *options], env=client_environment, cwd=tmp_path, capture_output=True, text=True, timeout=240
        )
        for options in (["--json"], [])
    )
    assert as_json.returncode == as_table.returncode == 0, as_json.stderr + as_table.stderr
    assert {model["name"] for model in json.loads(as_json.stdout)} == {PLAIN, LORA, AWQ}
    assert all(name in as_table.stdout for name in (PLAIN, LORA, AWQ))
    proven("wrangler", npm_version(npm_clients, "wrangler"), "`ai models`, `ai models --json`", "works")


def test_it_shows_that_a_token_is_wrong(
    server: LiveServer, npm_clients: Path, client_environment: dict[str, str], tmp_path: Path, proven: Proven
) -> None:
    server.store.create_token("acc", "test")
    command = ["node", str(npm_clients / "node_modules/wrangler/bin/wrangler.js"), "ai", "models"]
    done = subprocess.run(command, env=client_environment, cwd=tmp_path, capture_output=True, text=True, timeout=240)
    assert done.returncode != 0
    assert "Authentication error" in done.stdout + done.stderr
    proven(
        "wrangler",
        npm_version(npm_clients, "wrangler"),
        "`ai models` with a wrong token",
        "shows “Authentication error”",
    )
