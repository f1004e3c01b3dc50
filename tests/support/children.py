"""Child processes that a test began."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psutil

Children = Callable[[], list[psutil.Process]]


@contextmanager
def own_children() -> Iterator[Children]:
    """Lists the child processes that began in this context, whatever others run for longer; none may be left."""
    before = set(psutil.Process().children())

    def begun() -> list[psutil.Process]:
        return [process for process in psutil.Process().children() if process not in before]

    yield begun
    assert begun() == []
