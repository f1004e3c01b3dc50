"""A process that compiles grammars which may be hostile: `python -m fireside.engine.grammar.check`.

Reads grammars and answers each with what is wrong with it, or nothing, as messages of `fireside.locked_process`. It
dies of a grammar that takes too long, too much memory or too much stack; `fireside.engine.grammar.checker` makes that
an answer, too. It ends when its input ends.

Before it reads a grammar it is locked down: whatever a hole in the compiler lets a grammar do, it stays in here.

A grammar that passes has been compiled and has had its first mask computed, with the same limits as in the engine, and
with less stack.
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
"""Of computing, for one grammar, where the system can count it (not on Windows)."""

WALL_SECONDS = 20
"""By the clock: on a machine that is busy with other things, two seconds of computing take a while."""

MEMORY = 512 * 1024 * 1024
"""Bytes that grammars may take in this process."""

STACK = 1024 * 1024
"""Bytes. A thread of the engine has at least twice as many."""

NICENESS = 5
"""Whoever waits for a check waits the longer for it on a busy machine, rather than everybody for hostile grammars."""


def find_fault(vocabulary: LLTokenizer, grammar: str) -> str:
    """What is wrong with a grammar, or nothing."""
    try:
        matcher = open_matcher(vocabulary, grammar)
    except BadGrammar as error:
        return str(error)
    matcher.compute_bitmask()
    if matcher.is_error():
        return unusable(ANYTHING, "", f"{stopped(matcher.get_error())}.")
    return ""


def serve(source: BinaryIO, sink: BinaryIO) -> None:
    """Answer until the input ends, and with it the process."""
    vocabulary = open_vocabulary(TokenTable(bytes_of=[*(bytes([byte]) for byte in range(256)), b""], stop_ids=[256]))
    matcher = open_matcher(vocabulary, 'start: "a"')  # brings everything in that the first one needs
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
