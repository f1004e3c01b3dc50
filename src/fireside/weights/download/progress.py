"""How a download tells how far it is."""

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""Phase in words, bytes done, bytes in all (0 when unknown). Called often, from the thread that downloads."""


def silent(phase: str, done: int, total: int) -> None:
    """A Progress that shows nothing."""
