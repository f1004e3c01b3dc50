"""Servers that are measured: each a process of its own, with its output in a log."""

import asyncio
import socket
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from bench.peers.command import end_group
from bench.workload import Unavailable


@asynccontextmanager
async def running_server(arguments: Sequence[str], log: Path) -> AsyncIterator[None]:
    """A server process, in a group of its own, ended with its children at the end."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as sink:
        try:
            process = subprocess.Popen(  # noqa: ASYNC220  (nothing else runs in this loop yet)
                arguments, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, start_new_session=True, text=True
            )
        except OSError as error:
            raise Unavailable(str(error)) from error
    try:
        yield
    finally:
        process.terminate()
        for _ in range(100):
            if process.poll() is not None:
                break
            await asyncio.sleep(0.1)
        end_group(process)
        process.wait()


def free_port() -> int:
    """A port of this machine that nobody listens on just now."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
