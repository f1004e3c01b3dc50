"""A command on a terminal of its own, as somebody sits before it. POSIX only."""

import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

END_OF_INPUT = "\x04"
INTERRUPT = "\x03"
LIMIT = 60.0
"""Seconds after which a test that waits in vain fails."""


class Terminal:
    """What the command shows is kept in `screen`."""

    def __init__(self, process: "subprocess.Popen[bytes]", handle: int) -> None:
        self.process = process
        self.screen = ""
        self._handle = handle
        self._read = 0

    def type(self, text: str) -> None:
        """Press keys."""
        os.write(self._handle, text.encode())

    def type_until(self, key: str, text: str) -> None:
        """Press a key until the command shows this: what comes before it reads keys is lost, a Ctrl-C for one."""
        for _ in range(20):
            self.type(key)
            end = time.monotonic() + LIMIT / 20
            while text not in self.screen[self._read :] and self._more(end):
                pass
            if text in self.screen[self._read :]:
                break
        self.wait_for(text)

    def wait_for(self, text: str) -> str:
        """Wait until the command shows this, after what was waited for before; all that it has shown up to it."""
        end = time.monotonic() + LIMIT
        while text not in self.screen[self._read :]:
            if not self._more(end):
                raise AssertionError(f"{text!r} was not shown, but: {self.screen[self._read :]!r}")
        start, self._read = self._read, self.screen.index(text, self._read) + len(text)
        return self.screen[start : self._read]

    def wait_for_end(self) -> int:
        """Wait until the command ends; its exit status."""
        while self._more(time.monotonic() + LIMIT):
            pass
        return self.process.wait(timeout=LIMIT)

    def _more(self, end: float) -> bool:
        ready, _, _ = select.select([self._handle], [], [], max(0.0, end - time.monotonic()))
        try:
            piece = os.read(self._handle, 65536) if ready else b""
        except OSError:  # Linux says so when the other side is closed
            piece = b""
        self.screen += piece.decode(errors="replace").replace("\r\n", "\n")
        return bool(piece)


@contextmanager
def on_terminal(command: list[str], environment: Mapping[str, str]) -> Iterator[Terminal]:
    """Run the command; it is killed at the end, if it still runs."""
    ours, its = pty.openpty()
    # In a session of its own the terminal is the process's controlling one, so that Ctrl-C is a signal; which whoever
    # runs the tests may ignore, and the command then would, too.
    start = (
        "import os, signal, sys; os.setsid(); signal.signal(signal.SIGINT, signal.SIG_DFL); "
        f"os.close(os.open({os.ttyname(its)!r}, os.O_RDWR)); os.execvp(sys.argv[1], sys.argv[1:])"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", start, *command],
        stdin=its,
        stdout=its,
        stderr=its,
        env={**environment, "TERM": "xterm", "COLUMNS": "200"},
    )
    os.close(its)
    try:
        yield Terminal(process, ours)
    finally:
        process.kill()
        process.wait()
        os.close(ours)
