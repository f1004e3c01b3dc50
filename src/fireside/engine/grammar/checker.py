"""The server's side of `fireside.engine.grammar.check`."""

from fireside.engine.grammar.faults import ANYTHING, unusable
from fireside.engine.messages import MAX_FRAME
from fireside.errors import EngineFailed
from fireside.locked_process import NO_LOCKDOWN, LockedProcess

TOO_COMPLEX = unusable(
    ANYTHING,
    "",
    "they are too complex: compiling them took too much time or memory. Use fewer or simpler patterns, lists and "
    "references.",
)


class GrammarChecker:
    """Checks whether a grammar is safe to compile, in a process that is started on first use.

    Only one thread may use it at a time.
    """

    def __init__(self) -> None:
        self._process = LockedProcess("fireside.engine.grammar.check", "checks JSON schemas", limit=MAX_FRAME)

    def fault(self, grammar: str) -> str:
        """The error message for a grammar; empty if it can be used, `TOO_COMPLEX` if it killed the process.

        Raises EngineFailed if no process can be started to check it.
        """
        answer = self._process.ask(grammar.encode())
        if answer is not None:
            return answer.decode()
        if self.close() == NO_LOCKDOWN:
            raise EngineFailed("JSON schemas, patterns and tools need a kernel with seccomp, which this server lacks.")
        return TOO_COMPLEX

    def close(self) -> int | None:
        """End the process, if there is one, and return its exit status. It also ends with the checker."""
        return self._process.end()
