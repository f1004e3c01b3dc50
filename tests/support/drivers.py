"""Real clients in processes of their own, driven by lines of JSON: see tests/clients/drivers/protocol.py."""

import json
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

SECONDS = 240.0
"""After which a client that says nothing is ended. The first imports of some take long on a busy machine."""


@dataclass(frozen=True)
class Said:
    """What came of one call: what the client returned, or what it raised."""

    pieces: list[str] = field(default_factory=list)
    done: Any = None
    raised: dict[str, Any] | None = None


class Driver:
    """A client's process. Started when it is first asked something; `close` ends it.

    Args:
        command: runs a script of tests/clients/drivers.
        defaults: fields that each call has.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], **defaults: object) -> None:
        self._command = command
        self._environment = environment
        self._defaults = defaults
        self._process: subprocess.Popen[str] | None = None

    def ask(self, call: str, *, on_piece: Callable[[], None] | None = None, **fields: object) -> Said:
        """Make one call; `on_piece` is called at the first piece of a stream, while the client waits for more."""
        process = self._process = self._process or self._start()
        assert process.stdin is not None
        print(json.dumps({"call": call, "options": {}, **self._defaults, **fields}), file=process.stdin, flush=True)
        pieces: list[str] = []
        while True:
            line = self._read(process)
            if "piece" not in line:
                return Said(pieces, line.get("done"), line.get("raised"))
            pieces.append(line["piece"])
            if on_piece is not None:
                on_piece()
                on_piece = None

    def close(self) -> None:
        """End the process."""
        if self._process is None:
            return
        process, self._process = self._process, None
        with suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=10)  # closes its standard input, which ends it
        process.kill()
        process.wait()

    def _start(self) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            self._command, env=dict(self._environment), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._read(process) == {"ready": True}
        return process

    @staticmethod
    def _read(process: "subprocess.Popen[str]") -> dict[str, Any]:
        timer = threading.Timer(SECONDS, process.kill)
        timer.start()
        try:
            assert process.stdout is not None
            for text in process.stdout:
                if text.startswith("{"):  # a client's own chatter is not for us
                    line: dict[str, Any] = json.loads(text)
                    return line
        finally:
            timer.cancel()
        raise AssertionError("the client ended, or said nothing for too long")
