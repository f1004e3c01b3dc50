"""What each account has under way: requests, and the memory of their bodies; both bounded.

A request whose token is revoked while it runs is cut off.
"""

import asyncio
import ctypes
import logging
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field

from starlette.types import Scope

from fireside.errors import Busy, FiresideError, NotAuthenticated, ShuttingDown, StoreUnavailable
from fireside.settings import Settings
from fireside.shares import Lanes, Places
from fireside.store.store import Store
from fireside.store.tokens import TokenGrant

logger = logging.getLogger(__name__)

WATCH_SECONDS = 0.5
OPEN = ""
"""The account of a server without tokens, where every request is its owner's."""

LARGE = 1 << 20
"""Bytes of a body, from which on it is received in turn, and memory is given back after it."""

TRIM_SECONDS = 2.0
"""How long after the first large body that is done with, for all until then."""

_TURNS = 8
_TURNS_OF_AN_ACCOUNT = 2
"""Large bodies that are received and read at once."""

_BODY_THREADS = 2
_BODY_REST = 3.0
"""JSON is decoded in one go, during which nothing else runs: an account's large bodies take a quarter of the time."""

_STATE = "lease"


@dataclass(slots=True, eq=False)
class Lease:
    """One request's part in what its account has under way.

    Attributes:
        cut_off: why it was ended from outside, if it was.
    """

    account: str
    token_id: str | None
    task: "asyncio.Task[object] | None"
    owner: "UnderWay"
    size: int = 0
    has_turn: bool = False
    cut_off: FiresideError | None = None

    def add(self, size: int) -> None:
        """Hold so many bytes more, until the request ends. Raises Busy when the account's others leave no room."""
        self.owner.hold(self, size)

    async def take_turn(self) -> None:
        """Wait until a large body may be received. Raises Busy when too many wait."""
        await self.owner.turns.take(self.account)
        self.has_turn = True

    def end_turn(self) -> None:
        """The body was read, if it was large."""
        if self.has_turn:
            self.has_turn = False
            self.owner.turns.give(self.account)


@dataclass(slots=True)
class UnderWay:
    """All requests that run. For one event loop.

    Attributes:
        lanes: threads for large bodies.
        turns: places for bodies over `LARGE` bytes.
    """

    settings: Settings
    store: Store
    lanes: Lanes = field(default_factory=lambda: Lanes(_BODY_THREADS, queue=256, name="body", rest=_BODY_REST))
    turns: Places = field(init=False)
    _leases: set[Lease] = field(default_factory=set)
    _requests: Counter[str] = field(default_factory=Counter)
    _bytes: Counter[str] = field(default_factory=Counter)
    _trim: asyncio.TimerHandle | None = None
    _watcher: "asyncio.Task[None] | None" = None

    def __post_init__(self) -> None:
        queue = self.settings.account_requests
        self.turns = Places(_TURNS, share=_TURNS_OF_AN_ACCOUNT, queue=queue, of="The server")

    def begin(self, scope: Scope, grant: TokenGrant | None) -> Lease:
        """Count a request in; it stands in `scope` from now on. Raises Busy when its account has as many as it may."""
        account = OPEN if grant is None else grant.account_id
        if self._requests[account] >= self.settings.account_requests:
            raise Busy(
                f"The account has reached its limit of {self.settings.account_requests} running requests. "
                "Try again when some have finished."
            )
        lease = Lease(account, None if grant is None else grant.token_id, asyncio.current_task(), self)
        self._requests[account] += 1
        self._leases.add(lease)
        scope["state"][_STATE] = lease
        if grant is not None and (self._watcher is None or self._watcher.done()):
            self._watcher = asyncio.create_task(self._watch(), name="revoked tokens")
        return lease

    def end(self, lease: Lease) -> None:
        """Count it out."""
        self._leases.discard(lease)
        lease.end_turn()
        if lease.size >= LARGE and self._trim is None:
            loop = asyncio.get_running_loop()
            self._trim = loop.call_later(TRIM_SECONDS, lambda: loop.run_in_executor(None, self._give_memory_back))
        for counts, amount in ((self._requests, 1), (self._bytes, lease.size)):
            counts[lease.account] -= amount
            if not counts[lease.account]:
                del counts[lease.account]

    def hold(self, lease: Lease, size: int) -> None:
        """See `Lease.add`."""
        held, most = self._bytes[lease.account], self.settings.account_body_mb * 1024 * 1024
        if held > lease.size and held + size > most:
            raise Busy(
                f"The bodies of the account's running requests have reached their memory limit of "
                f"{self.settings.account_body_mb} MB. Try again when some have finished."
            )
        self._bytes[lease.account] += size
        lease.size += size

    def _give_memory_back(self) -> None:
        """What was freed goes back to the system (glibc keeps it; other libraries do not have this call)."""
        self._trim = None
        with suppress(AttributeError, OSError, TypeError):
            ctypes.CDLL(None).malloc_trim(0)

    async def _watch(self) -> None:
        """Cut off the requests of revoked tokens, while any request has one."""
        while tokens := {lease.token_id for lease in self._leases if lease.token_id is not None}:
            await asyncio.sleep(WATCH_SECONDS)
            try:
                revoked = await asyncio.to_thread(self.store.revoked_among, tokens)
            except StoreUnavailable:
                logger.warning("Cannot read revoked tokens from the database; retrying at the next check")
                continue
            for lease in [lease for lease in self._leases if lease.token_id in revoked and lease.task is not None]:
                lease.cut_off = NotAuthenticated("The token of this request was revoked while it ran.")
                assert lease.task is not None
                lease.task.cancel()


def lease_of(scope: Scope) -> Lease:
    """The request's own."""
    lease: Lease = scope["state"][_STATE]
    return lease


def why_cancelled(scope: Scope) -> FiresideError:
    """What a request that was cancelled says to its client."""
    lease: Lease | None = scope["state"].get(_STATE)
    if lease is not None and lease.cut_off is not None:
        return lease.cut_off
    return ShuttingDown("The server is shutting down.")
