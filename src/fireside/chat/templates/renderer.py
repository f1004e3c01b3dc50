"""The server's side of `fireside.chat.templates.host`."""

import contextlib
import subprocess
import threading
import weakref

import msgspec

from fireside import child
from fireside.chat.templates.messages import CPU_SECONDS, HEADER, MEMORY, NO_LOCKDOWN, Job, Rendered
from fireside.errors import EngineFailed

TOO_MUCH = f"it took more than {CPU_SECONDS} seconds of computing, or {MEMORY // 1024 // 1024} MB"


class TemplateRenderer:
    """Renders chat templates in processes, as many as there are threads that ask at once. Safe to use from them all."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: list[_Process] = []
        self._closed = False

    def render(self, job: Job) -> Rendered:
        """The prompt, or what is wrong; TOO_MUCH when the process died of it.

        Raises EngineFailed when there is no process to render it.
        """
        with self._lock:
            process = self._idle.pop() if self._idle else None
        process = process or _Process()
        answer = process.ask(msgspec.msgpack.encode(job))
        if answer is None:
            if process.end() == NO_LOCKDOWN:
                raise EngineFailed(
                    "A model's own chat template needs a kernel with seccomp, which this server lacks. Name one of "
                    "Fireside's chat formats as prompt.style in the model's catalog file."
                )
            return Rendered(unusable=TOO_MUCH)
        with self._lock:
            kept = not self._closed
            if kept:
                self._idle.append(process)
        if not kept:
            process.end()
        return msgspec.msgpack.decode(answer, type=Rendered)

    def close(self) -> None:
        """End the processes, for good. One that is at work ends when it is done. They end with this object, too."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for process in idle:
            process.end()


class _Process:
    """Raises EngineFailed when it cannot be started."""

    def __init__(self) -> None:
        command, environment = child.command("fireside.chat.templates.host"), child.environment()
        try:
            self._process = subprocess.Popen(  # noqa: S603
                command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
        except OSError as error:
            raise EngineFailed(
                f"The process that renders chat templates cannot be started: {error.strerror}."
            ) from error
        self._end = weakref.finalize(self, _end, self._process)

    def ask(self, message: bytes) -> bytes | None:
        """The answer; None when the process is dead."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(HEADER.pack(len(message)) + message)
            self._process.stdin.flush()
            header = self._process.stdout.read(HEADER.size)
            return self._process.stdout.read(HEADER.unpack(header)[0]) if len(header) == HEADER.size else None
        except BrokenPipeError:
            return None

    def end(self) -> int | None:
        """End it; returns its exit status."""
        self._end()
        return self._process.returncode


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    # Closes its input, where something may still wait to be written, and waits.
    with contextlib.suppress(BrokenPipeError), process:
        pass
