"""Whether grammars are safe to compile: found out once for each, in processes that the accounts share."""

import time
from collections.abc import Callable

from fireside.engine.grammar.checker import TOO_COMPLEX, GrammarChecker
from fireside.errors import BadGrammar, ShuttingDown
from fireside.lru import Lru
from fireside.serving.grammars import Grammar
from fireside.shares import Lanes

PROCESSES = 2
"""One for each of two accounts. The second is started when two ask at the same time."""

_QUEUE = 64
"""Most grammars of one account that wait, each of up to half a megabyte."""

_REMEMBERED = 4 * 1024 * 1024
"""Bytes of verdicts: more than ten thousand of them. Most applications send the same few grammars again and again."""

_HARD_SECONDS = 600.0
"""For so long a grammar is known as too complex: when the machine has less to do, it might pass."""


class GrammarChecks:
    """Safe to use from many threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lanes = Lanes(PROCESSES, queue=_QUEUE, name="grammar check")
        self._checkers = [GrammarChecker() for _ in range(PROCESSES)]
        self._idle = list(self._checkers)
        self._closed = False
        self._verdicts: Lru[tuple[str, float]] = Lru(_REMEMBERED)

    async def check(self, account: str, grammar: Grammar) -> None:
        """Return when it is safe. What is known already waits for nobody.

        Raises BadGrammar when it is not safe or cannot be used, Busy, EngineFailed, ShuttingDown.
        """
        fault = self._known(grammar.digest)
        if fault is None:
            fault = await self._lanes.run(account, lambda: self._find_out(grammar))
        if fault:
            raise BadGrammar(fault)

    def close(self) -> None:
        """End the processes, for good."""
        self._closed = True
        for checker in self._checkers:
            checker.close()

    def _known(self, digest: bytes) -> str | None:
        verdict = self._verdicts.get(digest)
        return verdict[0] if verdict is not None and self._clock() < verdict[1] else None

    def _find_out(self, grammar: Grammar) -> str:
        fault = self._known(grammar.digest)  # the same account may have asked twice at once
        if fault is None:
            if self._closed:
                raise ShuttingDown("The server is about to end. Send the request again, to another one or later.")
            checker = self._idle.pop()  # the last one used, so that one process is enough while nobody else asks
            try:
                fault = checker.fault(grammar.text)
            finally:
                self._idle.append(checker)
            until = self._clock() + _HARD_SECONDS if fault == TOO_COMPLEX else float("inf")
            self._verdicts.put(grammar.digest, (fault, until), len(fault))
        return fault
