"""A whole server in a process of its own, with the real service and echo models, for clients to meet what fails."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from fireside.store.store import Store
from support import serve_echo
from support.documents import ROOT
from support.user_models import add_model

ECHO = "@hf/fireside/echo"


@dataclass(frozen=True)
class Served:
    """A running server.

    Args:
        token: of the account acc.
        slow: id of a model that speaks slowly, to one at a time.
        short: id of a model with a context window of 64 tokens.
        mistral: id of a model of that name.
    """

    url: str
    token: str
    slow: str
    short: str
    mistral: str
    process: psutil.Process

    @contextmanager
    def busy(self) -> Iterator[None]:
        """While the slow model's only slot is taken."""
        body = {"prompt": "x" * 2000, "stream": True, "max_tokens": 2000}
        path = f"{self.url}/client/v4/accounts/acc/ai/run/{self.slow}"
        headers = {"authorization": f"Bearer {self.token}"}
        with httpx.stream("POST", path, json=body, headers=headers, timeout=60, trust_env=False) as response:
            lines = response.iter_lines()  # held: the connection ends with it
            assert next(lines).startswith("data: ")
            yield

    def kill_engines(self) -> None:
        """SIGKILL, as the kernel does it when memory is short."""
        for child in self.process.children():
            child.send_signal(signal.SIGKILL)


@contextmanager
def served(data_dir: Path, log: int | None = None, *, tokens_per_second: float = 50) -> Iterator[Served]:
    """A server with a token, no queue, and models of its user's.

    Args:
        log: file descriptor for what it and its engines log; None for the tests' own standard error.
        tokens_per_second: of each answer; 0 is as fast as it can be.
    """
    slow = add_model(data_dir, "slow", max_num_seqs=1)
    short = add_model(data_dir, "short", context_length=64)
    mistral = add_model(data_dir, "mistral")
    store = data_dir / "store.db"
    with Store(store) as opened:
        token, _ = opened.create_token("acc", "test")
    environment = os.environ | {
        "FIRESIDE_DATA_DIR": str(data_dir),
        "FIRESIDE_QUEUE_SIZE": "0",
        "FIRESIDE_ECHO_TOKENS_PER_SECOND": str(tokens_per_second),
        "PYTHONPATH": os.pathsep.join([str(ROOT / "tests"), os.environ.get("PYTHONPATH", "")]),
    }
    command = [sys.executable, serve_echo.__file__]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=log, text=True) as process:
        assert process.stdout is not None
        try:
            url = process.stdout.readline().strip()
            assert url, "the server did not start"
            yield Served(url, token, slow, short, mistral, psutil.Process(process.pid))
        finally:
            process.terminate()
            process.wait(timeout=60)
