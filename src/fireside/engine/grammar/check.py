"""A process that compiles possibly hostile grammars: `python -m fireside.engine.grammar.check`.

It reads grammars and answers each with an error message, or an empty one, as messages of `fireside.locked_process`. A
grammar that takes too much time, memory or stack kills it; `fireside.engine.grammar.checker` turns that into an answer,
too. It exits when its input ends.

It is locked down before it reads a grammar, so a hole in the compiler gives a grammar no access beyond this process.

A grammar that passes has been compiled and its first mask computed, with the same limits as in the engine and less
stack.
"""

import os
import sys
import threading
from typing import BinaryIO

from llguidance import LLTokenizer

from fireside import locked_process
from fireside.engine.grammar.faults import ANYTHING, stopped, unusable
from fireside.engine.grammar.matcher import open_matcher, open_vocabulary
from fireside.engine.messages import MAX_FRAME
from fireside.engine.options import TokenTable
from fireside.errors import BadGrammar
from fireside.lockdown import end_at_time_limits

CPU_SECONDS = 2
"""CPU time for one grammar, where the system can limit it (not on Windows)."""

WALL_SECONDS = 20
"""Elapsed time for one grammar: on a busy machine, two seconds of CPU time take longer."""

MEMORY = 512 * 1024 * 1024
"""Bytes of memory that compiling may take."""

STACK = 1024 * 1024
"""Bytes of the thread's stack. A thread of the engine has at least twice as much."""

NICENESS = 5
"""On a busy machine, checks take longer, so that hostile grammars do not slow down all other requests."""


def find_fault(vocabulary: LLTokenizer, grammar: str) -> str:
    """The error message for a grammar; empty if it can be used."""
    try:
        matcher = open_matcher(vocabulary, grammar)
    except BadGrammar as error:
        return str(error)
    matcher.compute_bitmask()
    if matcher.is_error():
        return unusable(ANYTHING, "", f"{stopped(matcher.get_error())}.")
    return ""


def serve(source: BinaryIO, sink: BinaryIO) -> None:
    """Answer grammars until the input ends."""
    vocabulary = open_vocabulary(TokenTable(bytes_of=[*(bytes([byte]) for byte in range(256)), b""], stop_ids=[256]))
    matcher = open_matcher(vocabulary, 'start: "a"')  # imports everything that the first grammar needs
    matcher.compute_bitmask()
    locked_process.serve(
        source,
        sink,
        lambda grammar: find_fault(vocabulary, grammar.decode()).encode(),
        memory=MEMORY,
        cpu_seconds=CPU_SECONDS,
        wall_seconds=WALL_SECONDS,
        limit=MAX_FRAME,
    )


def main() -> None:
    end_at_time_limits()
    if sys.platform != "win32":
        os.nice(NICENESS)
    threading.stack_size(STACK)
    thread = threading.Thread(target=serve, args=(sys.stdin.buffer, sys.stdout.buffer))
    thread.start()
    thread.join()


if __name__ == "__main__":
    main()
