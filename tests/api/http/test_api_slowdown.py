"""Refused requests cost their sender time, and nobody else."""

import logging

import pytest

from fireside.api.http.slowdown import MAX_DELAY, MAX_DELAYED, MAX_SENDERS, Pace, Seldom, Slowdown

PACE = Pace(burst=5, per_second=10)


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("fireside.api.http.slowdown.time.monotonic", clock)
    return clock


def test_a_burst_is_free_and_then_each_waits_longer_up_to_a_bound(clock: Clock) -> None:
    slowdown = Slowdown()
    delays = [slowdown.delay("a", PACE) for _ in range(60)]
    assert delays[:5] == pytest.approx([0] * 5)
    assert delays[5:8] == pytest.approx([0.1, 0.2, 0.3])
    assert delays == sorted(delays)
    assert delays[-1] == MAX_DELAY


def test_time_forgives(clock: Clock) -> None:
    slowdown = Slowdown()
    for _ in range(1000):
        slowdown.delay("a", PACE)
    clock.now += MAX_DELAY + PACE.burst / PACE.per_second
    assert slowdown.delay("a", PACE) == pytest.approx(0)


def test_others_are_not_slowed(clock: Clock) -> None:
    slowdown = Slowdown()
    for _ in range(100):
        slowdown.delay("a", PACE)
    assert slowdown.delay("b", PACE) == pytest.approx(0)


def test_what_is_remembered_is_bounded(clock: Clock) -> None:
    slowdown = Slowdown()
    for number in range(MAX_SENDERS + 10):
        slowdown.delay(str(number), PACE)
    assert len(slowdown._free_at) == MAX_SENDERS
    assert "0" not in slowdown._free_at


def test_only_so_many_refusals_are_held_back_at_once(clock: Clock) -> None:
    slowdown = Slowdown()
    for _ in range(100):
        slowdown.delay("a", PACE)
    held = [slowdown.held() for _ in range(MAX_DELAYED)]
    for one in held:
        one.__enter__()
    assert slowdown.delay("a", PACE) == 0
    for one in held:
        one.__exit__(None, None, None)
    assert slowdown.delay("a", PACE) == MAX_DELAY


def test_a_line_of_the_log_tells_how_many_it_stands_for(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    slowdown = Slowdown()
    with caplog.at_level(logging.WARNING):
        for _ in range(30):
            slowdown.note("192.0.2.1", "Authentication error")
        clock.now += 60
        slowdown.note("192.0.2.1", "Authentication error")
    assert [line.rpartition("(")[2].split()[0] for line in caplog.messages] == ["0", "29"]


def test_seldom_means_once_in_its_time(clock: Clock) -> None:
    seldom = Seldom(10)
    assert [seldom.due() for _ in range(4)] == [0, None, None, None]
    clock.now += 9.9
    assert seldom.due() is None
    clock.now += 0.2
    assert seldom.due() == 4
