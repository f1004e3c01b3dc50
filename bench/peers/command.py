"""Other programs: run to the end, or read line by line while they run; their standard error goes to a log."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from bench.workload import Unavailable

_SHOWN_LINES = 8


def run(arguments: Sequence[str | Path], log: Path, timeout: float, folder: Path | None = None) -> None:
    """Run a command; all its output goes to the log. Raises Unavailable with the log's end when it fails."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as sink:
        try:
            done = subprocess.run(
                [str(part) for part in arguments],
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                cwd=folder,
                timeout=timeout,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise Unavailable(f"{error}; see {log}") from error
    if done.returncode:
        raise Unavailable(f"{Path(arguments[0]).name} ended with {done.returncode}: {end_of(log)}")


def lines(
    arguments: Sequence[str | Path], log: Path, timeout: float, env: Mapping[str, str] | None = None
) -> Iterator[tuple[float, str]]:
    """Run a command; yield each line of its standard output with the seconds from its start until it came.

    The command and its children are ended when the iterator is closed. Raises Unavailable when it fails or takes longer
    than `timeout` seconds.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    began = time.perf_counter()
    with log.open("wb") as sink:
        try:
            process = subprocess.Popen(
                [str(part) for part in arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=sink,
                env={**os.environ, **(env or {})},
                start_new_session=True,
                text=True,
            )
        except OSError as error:
            raise Unavailable(str(error)) from error
        timer = threading.Timer(timeout, end_group, [process])
        timer.start()
        assert process.stdout is not None
        try:
            for line in process.stdout:
                yield time.perf_counter() - began, line.rstrip("\n")
            status = process.wait()
        finally:
            timer.cancel()
            end_group(process)
            process.stdout.close()
            process.wait()
    if status:
        raise Unavailable(f"{Path(arguments[0]).name} ended with {status}: {end_of(log)}")


def end_group(process: subprocess.Popen[str]) -> None:
    """Kill a process that leads a group of its own, with the group; nothing when it has ended."""
    if process.poll() is not None:
        return
    if os.name == "posix":
        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()


def end_of(log: Path) -> str:
    """The log's last lines, for a message."""
    said = log.read_text("utf-8", "replace").splitlines()[-_SHOWN_LINES:]
    return " / ".join(line.strip() for line in said if line.strip()) + f" ({log})"
