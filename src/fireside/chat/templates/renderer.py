"""The server's side of `fireside.chat.templates.host`."""

import threading

import msgspec

from fireside.chat.templates.messages import CPU_SECONDS, MAX_MESSAGE, MEMORY, Job, Rendered
from fireside.errors import EngineFailed
from fireside.locked_process import NO_LOCKDOWN, LockedProcess

TOO_MUCH = f"it took more than {CPU_SECONDS} seconds of CPU time or {MEMORY // 1024 // 1024} MB of memory"


class TemplateRenderer:
    """Renders chat templates in child processes, one per concurrent caller. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: list[LockedProcess] = []
        self._closed = False

    def render(self, job: Job) -> Rendered:
        """Render one prompt. The result is unusable with TOO_MUCH if the process died.

        Raises EngineFailed if no process can be started to render it.
        """
        with self._lock:
            process = self._idle.pop() if self._idle else None
        if process is None:
            process = LockedProcess("fireside.chat.templates.host", "renders chat templates", limit=MAX_MESSAGE)
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
        """End the processes permanently; a busy one ends when it is done. They also end with this object."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for process in idle:
            process.end()
