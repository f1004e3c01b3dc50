"""A process that compiles grammars which may be hostile: `python -m fireside.engine.grammar.check`.

Reads grammars and answers each with what is wrong with it, or nothing, in the frames of `fireside.engine.messages`. It
dies of a grammar that takes too long, too much memory or too much stack; `fireside.engine.grammar.checker` makes that
an answer, too. It ends when its input ends.

A grammar that passes has been compiled and has had its first mask computed, with the same limits as in the engine, and
with less stack.
"""

import faulthandler
import os
import sys
import threading
from typing import IO, BinaryIO

from llguidance import LLTokenizer

from fireside.engine.grammar.matcher import open_matcher, open_vocabulary
from fireside.engine.messages import HEADER, TokenTable, frame_length
from fireside.errors import BadGrammar

CPU_SECONDS = 2
"""Of computing, for one grammar, where the system can count it (not on Windows)."""

WALL_SECONDS = 20
"""By the clock: on a machine that is busy with other things, two seconds of computing take a while."""

MEMORY = 512 * 1024 * 1024
"""Bytes of this whole process."""

STACK = 1024 * 1024
"""Bytes. A thread of the engine has at least twice as many."""


def find_fault(vocabulary: LLTokenizer, grammar: str) -> str:
    """What is wrong with a grammar, or nothing."""
    try:
        matcher = open_matcher(vocabulary, grammar)
    except BadGrammar as error:
        return str(error)
    matcher.compute_bitmask()
    if matcher.is_error():
        return "The JSON schema, pattern or tools cannot be used: no answer fits them."
    return ""


def serve(source: BinaryIO, sink: BinaryIO, devnull: IO[str]) -> None:
    """Answer until the input ends."""
    vocabulary = open_vocabulary(TokenTable(bytes_of=[*(bytes([byte]) for byte in range(256)), b""], stop_ids=[256]))
    while len(header := source.read(HEADER.size)) == HEADER.size:
        grammar = source.read(frame_length(header)).decode()
        _limit_cpu()
        # A watchdog outside Python: it does not mind who holds the interpreter's lock.
        faulthandler.dump_traceback_later(WALL_SECONDS, exit=True, file=devnull)
        fault = find_fault(vocabulary, grammar).encode()
        faulthandler.cancel_dump_traceback_later()
        sink.write(HEADER.pack(len(fault)) + fault)
        sink.flush()


def _limit_cpu() -> None:
    if sys.platform != "win32":
        import resource

        used = resource.getrusage(resource.RUSAGE_SELF)
        _limit(resource.RLIMIT_CPU, int(used.ru_utime + used.ru_stime) + 1 + CPU_SECONDS)


def _limit_memory() -> None:
    if sys.platform != "win32":
        import resource

        _limit(resource.RLIMIT_CORE, 0)
        _limit(resource.RLIMIT_DATA, MEMORY)


def _limit(kind: int, most: int) -> None:
    """Set a limit, or leave it where the system has a lower one."""
    if sys.platform != "win32":
        import resource

        hard = resource.getrlimit(kind)[1]
        resource.setrlimit(kind, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


def main() -> None:
    _limit_memory()
    with open(os.devnull, "w") as devnull:
        threading.stack_size(STACK)
        thread = threading.Thread(target=serve, args=(sys.stdin.buffer, sys.stdout.buffer, devnull))
        thread.start()
        thread.join()


if __name__ == "__main__":
    main()
