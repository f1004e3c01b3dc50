"""The server's side of `fireside.engine.grammar.check`."""

from fireside.engine.grammar.faults import ANYTHING, unusable
from fireside.engine.messages import MAX_FRAME
from fireside.errors import EngineFailed
from fireside.locked_process import NO_LOCKDOWN, LockedProcess

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
        self._process = LockedProcess("fireside.engine.grammar.check", "checks JSON schemas", limit=MAX_FRAME)

    def fault(self, grammar: str) -> str:
        """What is wrong with it, or nothing; `TOO_COMPLEX` when the process died of it.

        Raises EngineFailed when there is no process to find out.
        """
        answer = self._process.ask(grammar.encode())
        if answer is not None:
            return answer.decode()
        if self.close() == NO_LOCKDOWN:
            raise EngineFailed("JSON schemas, patterns and tools need a kernel with seccomp, which this server lacks.")
        return TOO_COMPLEX

    def close(self) -> int | None:
        """End the process, if there is one, and return its exit status. It ends with the checker, too."""
        return self._process.end()
