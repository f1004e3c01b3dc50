"""How many uploads come in at the same time."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from fireside.errors import Busy

MAX_UPLOADS = 32
"""Of all accounts together."""


class Uploads:
    """Places for uploads. Safe to use from many threads.

    Args:
        per_account: most of one account.
    """

    def __init__(self, per_account: int) -> None:
        self._per_account = per_account
        self._lock = threading.Lock()
        self._running: Counter[str] = Counter()

    @contextmanager
    def place(self, account: str) -> Iterator[None]:
        """A place while the context is open. Raises Busy."""
        with self._lock:
            own = self._running[account]
            if own >= self._per_account:
                raise Busy(f"{own} uploads of this account are under way, the most it may. Send one after the other.")
            if self._running.total() >= MAX_UPLOADS:
                raise Busy("The server takes in as many uploads as it can. Try again later.")
            self._running[account] += 1
        try:
            yield
        finally:
            with self._lock:
                self._running[account] -= 1
                if not self._running[account]:
                    del self._running[account]
