"""Reads what somebody types in a conversation."""

import contextlib
from collections.abc import Callable

with contextlib.suppress(ImportError):
    import readline  # noqa: F401  (gives `input` editing and history; Windows has its own)

QUOTES = '"""'


def read_message(ask: Callable[[str], str] = input) -> str:
    """One message: a line; lines that end in a backslash, except for the last; or all between two times three quotes.

    Args:
        ask: shows a prompt and reads a line, as `input` does.

    Raises EOFError at the end of input, KeyboardInterrupt.
    """
    line = ask(">>> ")
    if line.lstrip().startswith(QUOTES):
        return _quoted(line.lstrip().removeprefix(QUOTES), ask)
    lines = [line]
    while lines[-1].endswith("\\"):
        lines[-1] = lines[-1][:-1]
        lines.append(ask("... "))
    return "\n".join(lines)


def _quoted(line: str, ask: Callable[[str], str]) -> str:
    lines = [line]
    while not lines[-1].rstrip().endswith(QUOTES):
        lines.append(ask("... "))
    lines[-1] = lines[-1].rstrip().removesuffix(QUOTES)
    return "\n".join(lines).strip("\n")
