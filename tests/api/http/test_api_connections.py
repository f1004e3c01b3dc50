"""How many connections there may be, and which is closed when there are more."""

import logging
import socket
import sys

import pytest

from fireside.api.http.connections import CROWD, OWN_FILES, Connections, connections_for, peer_of
from fireside.settings import Settings

A, B, C = "192.0.2.1", "192.0.2.2", "192.0.2.3"


class Line:
    """A connection that remembers whether it was told to go."""

    def __init__(self, peer: str) -> None:
        self.peer = peer
        self.closed = False

    def give_way(self) -> None:
        self.closed = True


def added(connections: Connections, peer: str, count: int = 1, *, busy: bool = False) -> list[Line]:
    lines = [Line(peer) for _ in range(count)]
    for line in lines:
        assert connections.add(line)
        if busy:
            connections.is_busy(line)
    return lines


def test_the_longest_idle_one_of_the_peer_with_the_most_makes_way() -> None:
    connections = Connections(most=5, per_peer=5)
    many, [other] = added(connections, A, 4), added(connections, B)
    connections.is_busy(many[0])
    added(connections, C)
    assert [line.closed for line in many] == [False, True, False, False]
    assert not other.closed


def test_one_that_has_become_idle_again_is_the_last_to_go() -> None:
    connections = Connections(most=2, per_peer=2)
    first, second = added(connections, A, 2)
    connections.is_busy(first)
    connections.is_idle(first)
    added(connections, B)
    assert (first.closed, second.closed) == (False, True)


def test_a_peer_makes_way_for_itself_alone_at_its_own_limit() -> None:
    connections = Connections(most=10, per_peer=2)
    mine, [other] = added(connections, A, 2), added(connections, B)
    added(connections, A)
    assert [line.closed for line in mine] == [True, False]
    assert not other.closed


def test_where_all_are_busy_new_ones_are_not_welcome_and_beyond_a_crowd_they_are_closed() -> None:
    connections = Connections(most=2, per_peer=2)
    busy = added(connections, A, 2, busy=True)
    crowd = [Line(B) for _ in range(CROWD)]
    # The first has nobody to take a place from; those after it push each other out.
    assert not connections.add(crowd[0])
    connections.is_busy(crowd[0])
    for line in crowd[1:]:
        assert not connections.add(line)
        connections.is_busy(line)
    late = Line(C)
    assert not connections.add(late)
    assert late.closed
    assert not any(line.closed for line in [*busy, *crowd])
    connections.remove(busy[0])
    for line in [*crowd, late]:
        connections.remove(line)
    added(connections, C)


def test_one_that_ended_twice_or_was_never_there_counts_once() -> None:
    connections = Connections(most=1, per_peer=1)
    [line] = added(connections, A, busy=True)
    stranger = Line(B)
    for ended in (line, line, stranger):
        connections.remove(ended)
    connections.is_idle(line)
    [again] = added(connections, A, busy=True)
    assert not connections.add(Line(B))
    assert not again.closed


def test_the_log_has_one_line_for_many(caplog: pytest.LogCaptureFixture) -> None:
    connections = Connections(most=1, per_peer=1)
    with caplog.at_level(logging.WARNING):
        added(connections, A, 50)
    [line] = caplog.messages
    assert f"1 connections are open, 1 of them from {A}: closing idle ones" in line


@pytest.mark.parametrize(
    ("client", "peer"),
    [
        (("192.0.2.7", 1), "192.0.2.7"),
        (("2001:db8:1:2:3:4:5:6", 1), "2001:db8:1:2::/64"),
        (("2001:db8:1:2:ffff::", 1), "2001:db8:1:2::/64"),
        (("::ffff:192.0.2.7", 1), "192.0.2.7"),
        (("a socket", 1), "a socket"),
        (None, "unknown"),
    ],
)
def test_a_peer_is_who_can_have_the_address(client: tuple[str, int] | None, peer: str) -> None:
    assert peer_of(client) == peer


@pytest.mark.skipif(sys.platform == "win32", reason="no such limit")
def test_the_soft_limit_of_open_files_is_raised_and_some_are_kept(tmp_path: object) -> None:
    import resource

    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(512, before[1]), before[1]))
    try:
        connections = connections_for(Settings(connections=1 << 20))
        files, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        assert files > 512 or files == hard
        assert connections._most == files - min(OWN_FILES, files // 4)
        assert connections_for(Settings(connections=3))._most == 3
        with socket.socket():  # it still can open one
            pass
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
