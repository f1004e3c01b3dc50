"""A process that answers one message after another about what strangers wrote, and may die of any: both its sides.

A message is bytes behind their length in four bytes, little-endian. The process is locked down before it reads the
first, and the system ends it when a message takes too long.
"""

import contextlib
import os
import struct
import subprocess
import weakref
from collections.abc import Callable
from typing import IO

from fireside import child
from fireside.errors import EngineFailed
from fireside.lockdown import NoLockdown, lock_down, set_time_limits

NO_LOCKDOWN = 3
"""Exit status where the process cannot be locked down."""

_HEADER = struct.Struct("<I")


def serve(
    source: IO[bytes],
    sink: IO[bytes],
    answer: Callable[[bytes], bytes],
    *,
    memory: int,
    cpu_seconds: float,
    wall_seconds: float,
    limit: int,
) -> None:
    """The process's side: lock down, answer until the input ends, and with it the process.

    Args:
        memory: bytes that may be added to what the process has.
        cpu_seconds, wall_seconds: for one message; see `set_time_limits`.
        limit: the longest message, in bytes.
    """
    try:
        lock_down(memory=memory, also=("read", "setitimer"))
    except NoLockdown:
        os._exit(NO_LOCKDOWN)
    while (asked := _read(source, limit)) is not None:
        set_time_limits(cpu_seconds, wall_seconds)
        answered = answer(asked)
        set_time_limits(0, 0)
        _write(sink, answered)
    os._exit(0)  # no tidying up: that would want system calls which are closed by now


class LockedProcess:
    """The server's side. For one thread at a time. The process ends with this object.

    It is started when it is first needed, and again where it has ended since: the system may kill an idle one, too.

    Args:
        module: of Fireside's, which calls `serve`.
        does: what the process does, for the message where it cannot be started.
        limit: the longest answer, in bytes.
    """

    def __init__(self, module: str, does: str, *, limit: int) -> None:
        self._module = module
        self._does = does
        self._limit = limit
        self._process: subprocess.Popen[bytes] | None = None
        self._end: weakref.finalize[..., LockedProcess] | None = None

    def ask(self, message: bytes) -> bytes | None:
        """The answer; None when the process has died of the message.

        Raises EngineFailed when it cannot be started, ValueError for an answer longer than the limit.
        """
        process = self._process
        if process is None or process.poll() is not None:
            self.end()
            process = self._start()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            _write(process.stdin, message)
            return _read(process.stdout, self._limit)
        except BrokenPipeError:
            return None

    def end(self) -> int | None:
        """End it, if there is one; returns its exit status."""
        process, self._process = self._process, None
        if process is None:
            return None
        assert self._end is not None
        self._end()
        return process.returncode

    def _start(self) -> subprocess.Popen[bytes]:
        try:
            process = subprocess.Popen(  # noqa: S603
                child.command(self._module), env=child.environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
        except OSError as error:
            raise EngineFailed(f"The process that {self._does} cannot be started: {error.strerror}.") from error
        self._end = weakref.finalize(self, _end, process)
        self._process = process
        return process


def _write(sink: IO[bytes], message: bytes) -> None:
    sink.write(_HEADER.pack(len(message)) + message)
    sink.flush()


def _read(source: IO[bytes], limit: int) -> bytes | None:
    """A message, or None at the end."""
    header = source.read(_HEADER.size)
    if len(header) < _HEADER.size:
        return None
    (length,) = _HEADER.unpack(header)
    if length > limit:
        raise ValueError(f"a message of {length} bytes exceeds {limit}")
    return source.read(length)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    # Closes its input, where something may still wait to be written, and waits.
    with contextlib.suppress(BrokenPipeError), process:
        pass
