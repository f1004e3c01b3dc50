"""Rejected requests are answered slowly, so that tokens cannot be guessed quickly.

No other sender is slowed, and none is locked out: a valid request of the same sender is answered immediately.
"""

import logging
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

logger = logging.getLogger(__name__)

MAX_DELAY = 2.0
MAX_SENDERS = 4096
MAX_DELAYED = 512
"""Refusals held back at once; more of them are answered without delay."""

_LOG_SECONDS = 10.0


class Seldom:
    """For lines of the log that somebody else could have written without end."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._next = 0.0
        self._kept_back = 0

    def due(self) -> int | None:
        """How many were kept back since the last one, if the next is due; else None."""
        now = time.monotonic()
        if now < self._next:
            self._kept_back += 1
            return None
        self._next = now + self._seconds
        kept_back, self._kept_back = self._kept_back, 0
        return kept_back


@dataclass(slots=True)
class Pace:
    """So many at once, and so many a second from then on."""

    burst: int
    per_second: float


TOKENS = Pace(burst=50, per_second=10)
"""Of refused tokens, by address."""

REQUESTS = Pace(burst=200, per_second=50)
"""Of refused requests, by account."""


class Slowdown:
    """Remembers who was refused, the last `MAX_SENDERS` of them. For one event loop."""

    def __init__(self) -> None:
        self._free_at: OrderedDict[str, float] = OrderedDict()
        self._seldom = Seldom(_LOG_SECONDS)
        self._delayed = 0

    @contextmanager
    def held(self) -> Iterator[None]:
        """While a refusal is held back."""
        self._delayed += 1
        try:
            yield
        finally:
            self._delayed -= 1

    def delay(self, sender: str, pace: Pace) -> float:
        """Seconds to hold the sender's refusal back."""
        now = time.monotonic()
        free_at = max(now, self._free_at.pop(sender, now)) + 1 / pace.per_second
        self._free_at[sender] = min(free_at, now + pace.burst / pace.per_second + MAX_DELAY)
        if len(self._free_at) > MAX_SENDERS:
            self._free_at.popitem(last=False)
        if self._delayed >= MAX_DELAYED:
            return 0.0
        return min(max(0.0, free_at - now - pace.burst / pace.per_second), MAX_DELAY)

    def note(self, address: str, reason: str) -> None:
        """Say in the log that a token was refused."""
        if (kept_back := self._seldom.due()) is not None:
            logger.warning(
                "Rejected a request from %s: %s (%d more since the last such line)", address, reason, kept_back
            )
