"""Fair shares between accounts: places that they compete for, and threads that do their heavy work.

A place that becomes free goes to the account that holds the fewest of them; between equals, to the one that was served
longest ago. So one account with many requests delays another by at most those that have begun.
"""

import asyncio
import itertools
from collections import deque
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from typing import TypeVar

from fireside.errors import Busy

T = TypeVar("T")

QUEUES = 4
"""All accounts together may wait with so many times what one may."""


class Places:
    """For one event loop.

    Args:
        count: how many there are.
        share: most that one account may hold.
        queue: most requests of one account that may wait.
        of: what is at capacity, for the message.
    """

    def __init__(self, count: int, *, share: int, queue: int, of: str) -> None:
        self._count = count
        self._share = share
        self._queue = queue
        self._of = of
        self._held: dict[str, int] = {}
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}
        self._turns = itertools.count(1)
        self._served: dict[str, int] = {}
        """Number of the last turn, of who holds or waits."""

    @property
    def waiting(self) -> int:
        """How many requests wait."""
        return sum(map(len, self._waiting.values()))

    @asynccontextmanager
    async def held(self, account: str, *, wait: bool = True) -> AsyncIterator[None]:
        """One place, inside the context. Raises Busy when it may not wait, or too many do."""
        await self.take(account, wait=wait)
        try:
            yield
        finally:
            self.give(account)

    async def take(self, account: str, *, wait: bool = True) -> None:
        """A place, which must be given back. Raises Busy as `held` does."""
        if account not in self._waiting and self._has_room(account):
            self._hold(account)
            return
        mine = len(self._waiting.get(account, ()))
        if not wait or mine >= self._queue or self.waiting >= QUEUES * self._queue:
            held = f"{self._held.get(account, 0)} of your requests are running and {mine} waiting"
            raise Busy(f"{self._of} is at capacity: {held}. Try again later.")
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(account, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.give(account)
            else:
                self._forget(account, turn)
            raise

    def give(self, account: str) -> None:
        """Give one back."""
        self._held[account] -= 1
        if not self._held[account]:
            del self._held[account]
            self._clear(account)
        while (following := self._following()) is not None:
            turn = self._waiting[following].popleft()
            if not self._waiting[following]:
                del self._waiting[following]
            if not turn.done():
                self._hold(following)
                turn.set_result(None)

    def _has_room(self, account: str) -> bool:
        return sum(self._held.values()) < self._count and self._held.get(account, 0) < self._share

    def _hold(self, account: str) -> None:
        self._held[account] = self._held.get(account, 0) + 1
        self._served[account] = next(self._turns)

    def _following(self) -> str | None:
        """Whose turn it is."""
        ready = [account for account in self._waiting if self._has_room(account)]
        return min(ready, key=lambda one: (self._held.get(one, 0), self._served.get(one, 0)), default=None)

    def _clear(self, account: str) -> None:
        if account not in self._held and account not in self._waiting:
            self._served.pop(account, None)

    def _forget(self, account: str, turn: asyncio.Future[None]) -> None:
        turns = self._waiting.get(account)
        if turns is None:
            return
        with suppress(ValueError):
            turns.remove(turn)
        if not turns:
            del self._waiting[account]
            self._clear(account)


class Lanes:
    """Threads for work that would hold up the event loop, shared fairly: one account's work waits for its own.

    Args:
        threads: how many; at most all but one of them work for one account, if there are several.
        queue: most pieces of work of one account that may wait.
        name: of the threads.
    """

    def __init__(self, threads: int, *, queue: int, name: str) -> None:
        self._places = Places(threads, share=max(1, threads - 1), queue=queue, of="The server")
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix=name)

    async def run(self, account: str, work: Callable[[], T]) -> T:
        """The result of `work`, done in a thread. Raises Busy, and what it raises.

        Work that has begun goes on when nobody waits for it any more, and keeps its place until it is done.
        """
        await self._places.take(account)
        loop = asyncio.get_running_loop()

        def done(_: Future[T]) -> None:
            with suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(self._places.give, account)

        future = self._threads.submit(work)
        future.add_done_callback(done)
        try:
            return await asyncio.wrap_future(future)
        finally:
            del (
                future,
                work,
            )  # an error holds this frame: if that holds the error, only the collector frees them
