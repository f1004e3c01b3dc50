"""Servers of development: `wrangler dev`, and others that say their URL."""

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def wrangler_dev(folder: Path, environment: dict[str, str], project: Path, config: str) -> Iterator[str]:
    """Run what `init` said, in the project's folder; the URL that it says."""
    command = ["node", str(folder / "node_modules/wrangler/bin/wrangler.js"), "dev", "--port=0", "--inspector-port=0"]
    command += ["-c", config, "--test-scheduled"]
    with dev_server(command, environment, project, r"Ready on (http://\S+)") as url:
        yield url


@contextmanager
def dev_server(command: list[str], environment: dict[str, str], project: Path, says: str) -> Iterator[str]:
    """A server of development, in the project's folder; the URL that it says."""
    log = project / "server.log"
    with log.open("wb") as output:
        # A session of its own, so that wrangler's own children end with it.
        process = subprocess.Popen(
            command, cwd=project, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            start_new_session=True,
        )  # fmt: skip
        try:
            yield _ready(log, process, says)
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(timeout=30)


def _ready(log: Path, process: subprocess.Popen[bytes], says: str) -> str:
    for _ in range(900):
        found = re.search(says, log.read_text(encoding="utf-8"))
        if found:
            return found[1]
        try:
            process.wait(timeout=0.1)
        except subprocess.TimeoutExpired:
            continue
        break
    raise AssertionError(log.read_text(encoding="utf-8"))
