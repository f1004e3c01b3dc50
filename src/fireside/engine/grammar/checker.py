"""The server's side of `fireside.engine.grammar.check`."""

import contextlib
import subprocess
import weakref

from fireside import child
from fireside.engine.grammar.check import NO_LOCKDOWN
from fireside.engine.grammar.faults import ANYTHING, unusable
from fireside.engine.messages import HEADER, frame_length
from fireside.errors import EngineFailed

TOO_COMPLEX = unusable(
    ANYTHING,
    "",
    "they are too complex: working them out took too much time or memory. Use fewer or simpler patterns, lists and "
    "references.",
)


class GrammarChecker:
    """Finds out whether a grammar is safe to compile, in a process that is started when it is first needed.

    Used by one thread at a time.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._end: weakref.finalize[..., GrammarChecker] | None = None

    def fault(self, grammar: str) -> str:
        """What is wrong with it, or nothing; `TOO_COMPLEX` when the process died of it.

        Raises EngineFailed when there is no process to find out.
        """
        asked = grammar.encode()
        process = self._process
        if process is None or process.poll() is not None:
            process = self._start()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(HEADER.pack(len(asked)) + asked)
            process.stdin.flush()
            header = process.stdout.read(HEADER.size)
            if len(header) == HEADER.size:
                return process.stdout.read(frame_length(header)).decode()
        except BrokenPipeError:
            pass
        self.close()
        if process.returncode == NO_LOCKDOWN:
            raise EngineFailed("JSON schemas, patterns and tools need a kernel with seccomp, which this server lacks.")
        return TOO_COMPLEX

    def close(self) -> None:
        """End the process, if there is one. It ends with the checker, too."""
        if self._end is not None:
            self._end()
        self._process = None

    def _start(self) -> subprocess.Popen[bytes]:
        self.close()
        command, environment = child.command("fireside.engine.grammar.check"), child.environment()
        try:
            self._process = subprocess.Popen(  # noqa: S603
                command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
        except OSError as error:
            raise EngineFailed(f"The process that checks JSON schemas cannot be started: {error.strerror}.") from error
        self._end = weakref.finalize(self, _end, self._process)
        return self._process


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    # Closes its input, where something may still wait to be written, and waits.
    with contextlib.suppress(BrokenPipeError), process:
        pass
