"""How many connections there may be, in all and of one peer, and which is closed when there are more.

A connection that is idle, or still at its headers, is closed for a new one: first of the peer that has the most. Where
none is, the new one is answered only if it asks whether the server lives.
"""

import ipaddress
import logging
import sys
from collections import OrderedDict
from contextlib import suppress
from typing import Protocol

from fireside.api.http.slowdown import Seldom
from fireside.settings import Settings

if sys.platform != "win32":
    import resource

logger = logging.getLogger(__name__)

OWN_FILES = 256
"""Open files that the server keeps for itself: its database, engines, uploads."""

MAX_FILES = 65_536
CROWD = 64
"""Connections beyond the limit that wait to ask for the server's health."""

_LOG_SECONDS = 10.0


class Connection(Protocol):
    """What is kept here of a connection."""

    peer: str

    def give_way(self) -> None:
        """Close it."""
        ...


class Connections:
    """All of one server; for one event loop.

    Args:
        most: in all.
        per_peer: from one address, or from one IPv6 network of 64 bits.
    """

    def __init__(self, most: int, per_peer: int) -> None:
        self._most = most
        self._per_peer = min(per_peer, most)
        self._open: dict[str, set[Connection]] = {}
        self._idle: dict[str, OrderedDict[Connection, None]] = {}
        self._count = 0
        self._seldom = Seldom(_LOG_SECONDS)

    def add(self, connection: Connection) -> bool:
        """Count a new one in, which is idle; whether it may ask for whatever it likes. Closed at once, if need be."""
        peer = connection.peer
        fits = True
        if len(self._open.get(peer, ())) >= self._per_peer:
            fits = self._make_way(peer)
        elif self._count >= self._most:
            fits = self._make_way(max(self._idle, key=lambda one: len(self._open[one]), default=peer))
        if not fits and self._count >= self._most + CROWD:
            connection.give_way()
        self._open.setdefault(peer, set()).add(connection)
        self._count += 1
        self.is_idle(connection)
        return fits

    def is_idle(self, connection: Connection) -> None:
        """It waits for its peer."""
        if connection in self._open.get(connection.peer, ()):
            self._idle.setdefault(connection.peer, OrderedDict())[connection] = None

    def is_busy(self, connection: Connection) -> None:
        """It has a request."""
        idle = self._idle.get(connection.peer)
        if idle is not None:
            idle.pop(connection, None)
            if not idle:
                del self._idle[connection.peer]

    def remove(self, connection: Connection) -> None:
        """It has ended."""
        self.is_busy(connection)
        mine = self._open.get(connection.peer)
        if mine is None or connection not in mine:
            return
        mine.discard(connection)
        self._count -= 1
        if not mine:
            del self._open[connection.peer]

    def _make_way(self, peer: str) -> bool:
        """Close the peer's longest idle connection, if it has one."""
        idle = self._idle.get(peer)
        if (kept_back := self._seldom.due()) is not None:
            logger.warning(
                "%d connections are open, %d of them from %s: %s (%d times since the last such line)",
                self._count,
                len(self._open.get(peer, ())),
                peer,
                "closing idle ones" if idle else "new ones may only ask for health",
                kept_back + 1,
            )
        if not idle:
            return False
        oldest = next(iter(idle))
        self.remove(oldest)
        oldest.give_way()
        return True


def peer_of(client: tuple[str, int] | None) -> str:
    """Who stands behind an address: with IPv6, whoever has one has 2**64 of them."""
    host = client[0] if client else "unknown"
    with suppress(ValueError):
        address = ipaddress.ip_address(host)
        if address.version == 6:
            mapped = address.ipv4_mapped
            return str(mapped or ipaddress.ip_network((int(address) >> 64 << 64, 64)))
    return host


def connections_for(settings: Settings) -> Connections:
    """Within the settings, and within what the system lets this process open; its soft limit is raised first."""
    most = settings.connections
    if sys.platform != "win32":
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = MAX_FILES if hard == resource.RLIM_INFINITY else min(hard, MAX_FILES)
        if soft < wanted:
            with suppress(ValueError, OSError):  # macOS takes fewer than it says
                resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        most = max(1, min(most, files - min(OWN_FILES, files // 4)))
    return Connections(most, settings.connections_per_peer)
