"""The EventSource handler of the models' pages, in headless Chromium, fed by their streaming Worker."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from support.workers import running_workers

HERE = Path(__file__).parent
NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")

Proven = Callable[[str, str, str, str], None]


def test_the_event_source_handler(npm_clients: Path, tmp_path: Path, proven: Proven) -> None:
    executable = next((path for path in map(shutil.which, NAMES) if path), None)
    if executable is None:
        pytest.skip("needs Chromium: apt-get install chromium, say")
    script = npm_clients / "browser.mjs"  # beside node_modules, where node looks for packages
    shutil.copy(HERE / script.name, script)
    with running_workers(npm_clients, tmp_path) as workers:
        for way in ("remote", "project"):
            url = workers.urls[f"{way}/openhermes_streaming"]
            values = {"executable": executable, "url": url, "handler": str(HERE / "event_source.js")}
            command = ["node", str(script), json.dumps(values)]
            done = subprocess.run(command, capture_output=True, text=True, timeout=120)
            assert done.returncode == 0, done.stderr
            told = json.loads(done.stdout)
            assert told["text"] == "What is the origin of the phrase Hello, World"
            assert told["errors"] == []
            assert told["streams"] == [url]  # asked for once: after the end, no reconnection
    # No version: it is the system's, which moves on without us.
    proven("Chromium", "any", "the `EventSource` handler of the model's page, on its streaming Worker", "works")
