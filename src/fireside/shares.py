"""Fair shares between accounts: places that they compete for, and threads that do their heavy work.

A place that becomes free goes to the account that holds the fewest of them; between equals, to the one that was served
longest ago. So one account with many requests delays another by at most those that have begun.
"""

import asyncio
import itertools
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from typing import Any, Generic, TypeVar

from fireside.errors import Busy

T = TypeVar("T")

MAX_REST = 1.0

QUEUES = 4
"""All accounts together may wait with so many times what one may."""


class Turns(Generic[T]):
    """Who holds places, and what waits for one, by account. The one place where it is decided whose turn it is.

    Args:
        count: how many places there are.
        share: most that one account may hold.
        queue: most things of one account that may wait.
        of: what is at capacity, for the message.
        order: what goes before how many places an account holds: the least is served first.
    """

    def __init__(
        self, count: int, *, share: int, queue: int, of: str, order: Callable[[str], int] = lambda account: 0
    ) -> None:
        self._count = count
        self._share = share
        self._queue = queue
        self._of = of
        self._order = order
        self._held: dict[str, int] = {}
        self._waiting: dict[str, deque[T]] = {}
        self._turns = itertools.count(1)
        self._served: dict[str, int] = {}
        """Number of the last turn, of who holds or waits."""

    @property
    def waiting(self) -> int:
        return sum(map(len, self._waiting.values()))

    def hold_at_once(self, account: str) -> bool:
        """Whether there was a place for an account without waiting; it holds it now."""
        free = account not in self._waiting and self._has_room(account)
        if free:
            self.hold(account)
        return free

    def hold(self, account: str) -> None:
        self._held[account] = self._held.get(account, 0) + 1
        self._served[account] = next(self._turns)

    def wait(self, account: str, item: T, *, may_wait: bool = True) -> None:
        """Have something wait. Raises Busy when it may not, or too much does."""
        mine = len(self._waiting.get(account, ()))
        if not may_wait or mine >= self._queue or self.waiting >= QUEUES * self._queue:
            held = f"{self._held.get(account, 0)} of your requests are running and {mine} waiting"
            raise Busy(f"{self._of} is at capacity: {held}. Try again later.")
        self._waiting.setdefault(account, deque()).append(item)

    def release(self, account: str) -> None:
        self._held[account] -= 1
        if not self._held[account]:
            del self._held[account]
            self._clear(account)

    def take_following(self) -> tuple[str, T] | None:
        """Whose turn it is and for what, which waits no more, and may now hold a place."""
        ready = [account for account in self._waiting if self._has_room(account)]
        account = min(ready, key=self._rank, default=None)
        if account is None:
            return None
        item = self._waiting[account].popleft()
        if not self._waiting[account]:
            del self._waiting[account]
        return account, item

    def forget(self, account: str, item: T) -> None:
        """Have something wait no more."""
        items = self._waiting.get(account)
        if items is None:
            return
        with suppress(ValueError):
            items.remove(item)
        if not items:
            del self._waiting[account]
            self._clear(account)

    def _rank(self, account: str) -> tuple[int, int, int]:
        return self._order(account), self._held.get(account, 0), self._served.get(account, 0)

    def _has_room(self, account: str) -> bool:
        return sum(self._held.values()) < self._count and self._held.get(account, 0) < self._share

    def _clear(self, account: str) -> None:
        if account not in self._held and account not in self._waiting:
            self._served.pop(account, None)


class Places:
    """For one event loop.

    Args:
        count: how many there are.
        share: most that one account may hold.
        queue: most requests of one account that may wait.
        of: what is at capacity, for the message.
    """

    def __init__(self, count: int, *, share: int, queue: int, of: str) -> None:
        self._turns: Turns[asyncio.Future[None]] = Turns(count, share=share, queue=queue, of=of)

    @property
    def waiting(self) -> int:
        """How many requests wait."""
        return self._turns.waiting

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
        if self._turns.hold_at_once(account):
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._turns.wait(account, turn, may_wait=wait)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.give(account)
            else:
                self._turns.forget(account, turn)
            raise

    def give(self, account: str) -> None:
        """Give one back."""
        self._turns.release(account)
        while (following := self._turns.take_following()) is not None:
            account, turn = following
            if not turn.done():
                self._turns.hold(account)
                turn.set_result(None)


class Lanes:
    """Threads for heavy work, shared fairly: one account's work waits for its own. To be used from any thread.

    Args:
        threads: how many; at most all but one of them work for one account, if there are several.
        queue: most pieces of work of one account that may wait.
        name: of the threads.
        rest: after a piece of work its place stays empty for so many times as long as it took, at most `MAX_REST`
            seconds. For work that holds the interpreter's lock, and so keeps all else waiting.
    """

    def __init__(self, threads: int, *, queue: int, name: str, rest: float = 0.0) -> None:
        self._turns: Turns[tuple[Future[Any], Callable[[], Any]]] = Turns(
            threads, share=max(1, threads - 1), queue=queue, of="The server"
        )
        self._rest = rest
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix=name)

    async def run(self, account: str, work: Callable[[], T]) -> T:
        """The result of `work`, which would hold up the event loop. Raises Busy, and what it raises.

        Work that has begun goes on when nobody waits for it any more, and keeps its place until it is done.
        """
        return await asyncio.wrap_future(self.submit(account, work))

    def submit(self, account: str, work: Callable[[], T]) -> Future[T]:
        """The same for callers without an event loop. Raises Busy. What is cancelled before its turn never begins."""
        future: Future[T] = Future()
        with self._lock:
            if self._turns.hold_at_once(account):
                self._threads.submit(self._work, [(account, future, work)])
                return future
            self._turns.wait(account, (future, work))

        def done(ended: Future[T]) -> None:
            if ended.cancelled():
                with self._lock:
                    self._turns.forget(account, (ended, work))

        future.add_done_callback(done)
        return future

    def _work(self, job: list[tuple[str, Future[T], Callable[[], T]]]) -> None:
        """Do a piece of work, then give its place to the following.

        An error holds this frame and the thread's own, which has `job`: if they held the error, only the collector
        would free them. So nothing is left in either.
        """
        account, future, work = job.pop()
        began = time.monotonic()
        try:
            if future.set_running_or_notify_cancel():
                try:
                    result = work()
                except BaseException as error:  # a panic of foreign code is not an Exception
                    self._go_on_after(account, began)
                    future.set_exception(error)
                else:
                    self._go_on_after(account, began)
                    future.set_result(result)
            else:
                self._go_on(account)
        finally:
            del future, work

    def _go_on_after(self, account: str, began: float) -> None:
        seconds = min(self._rest * (time.monotonic() - began), MAX_REST)
        if seconds:
            timer = threading.Timer(seconds, self._go_on, [account])
            timer.daemon = True
            timer.start()
        else:
            self._go_on(account)

    def _go_on(self, account: str) -> None:
        with self._lock:
            self._turns.release(account)
            while (following := self._turns.take_following()) is not None:
                account, (future, work) = following
                if not future.cancelled():
                    self._turns.hold(account)
                    self._threads.submit(self._work, [(account, future, work)])
