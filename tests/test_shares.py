"""Places and threads shared between accounts."""

import asyncio
import gc
import threading
import time
import weakref
from collections.abc import Awaitable

import pytest

from fireside.errors import Busy
from fireside.shares import QUEUES, Lanes, Places

pytestmark = pytest.mark.anyio
A, B, C = "first", "second", "third"


def places(count: int = 4, *, share: int = 3, queue: int = 2) -> Places:
    return Places(count, share=share, queue=queue, of="The model")


async def waiting(places: Places, account: str, order: list[str]) -> "asyncio.Task[None]":
    async def take() -> None:
        await places.take(account)
        order.append(account)

    task = asyncio.create_task(take())
    await asyncio.sleep(0)
    return task


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_one_account_never_holds_all_places() -> None:
    shared = places()
    for _ in range(3):
        await shared.take(A)
    order: list[str] = []
    task = await waiting(shared, A, order)
    await shared.take(B)
    assert order == []
    shared.give(A)
    await task
    assert shared.waiting == 0


async def test_a_place_goes_to_who_holds_the_fewest_and_then_to_who_was_served_longest_ago() -> None:
    shared = places(2, share=2, queue=9)
    await shared.take(A)
    await shared.take(A)
    order: list[str] = []
    tasks = [await waiting(shared, account, order) for account in (A, A, B, C, B, C)]
    for _ in range(2):
        shared.give(A)
        await settled()
    assert order == [B, C]
    for account in (B, C):
        shared.give(account)
        await settled()
    assert order[2] == A  # it holds none by now, and has waited for longest
    for account in list(order[2:]):
        shared.give(account)
    await settled()
    assert sorted(order) == [A, A, B, B, C, C]
    await asyncio.gather(*tasks)


@pytest.mark.parametrize("wait", [True, False])
async def test_a_full_queue_is_busy_for_its_own_account(wait: bool) -> None:
    shared = places(1, share=1)
    await shared.take(A)
    order: list[str] = []
    tasks = [await waiting(shared, A, order) for _ in range(2)]
    with pytest.raises(Busy, match="1 of your requests are running and 2 waiting"):
        await shared.take(A, wait=wait)
    tasks.append(await waiting(shared, B, order))
    assert shared.waiting == 3
    for account in (A, B, A, A):
        shared.give(account)
        await settled()
    assert order == [B, A, A]
    await asyncio.gather(*tasks)


async def test_who_may_not_wait_is_refused_at_once() -> None:
    shared = places(1, share=1, queue=0)
    async with shared.held(A, wait=False):
        for account, wait in ((A, True), (B, False)):
            with pytest.raises(Busy):
                await shared.take(account, wait=wait)
    async with shared.held(A, wait=False):
        pass


async def test_all_queues_together_are_bounded_too() -> None:
    shared = places(1, share=1, queue=2)
    await shared.take(A)
    tasks = [await waiting(shared, f"{number}", []) for number in range(2 * QUEUES)]
    with pytest.raises(Busy):
        await shared.take("one more")
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert shared.waiting == 0


async def test_who_gives_up_waiting_leaves_nothing_behind() -> None:
    shared = places(1, share=1)
    await shared.take(A)
    order: list[str] = []
    first, second = await waiting(shared, B, order), await waiting(shared, C, order)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    shared.give(A)
    await second
    third = await waiting(shared, A, order)
    shared.give(C)
    third.cancel()  # in the moment in which it gets its place
    await asyncio.gather(third, return_exceptions=True)
    async with shared.held(B, wait=False):
        assert order == [C]


def outcome(lanes: Lanes, account: str, gate: threading.Event, begun: threading.Event) -> Awaitable[bool]:
    def work() -> bool:
        begun.set()
        return gate.wait(30)

    return lanes.run(account, work)


async def test_work_of_one_account_leaves_a_thread_for_others() -> None:
    lanes, gate, begun = Lanes(2, queue=9, name="test"), threading.Event(), threading.Event()
    tasks = [asyncio.ensure_future(outcome(lanes, A, gate, begun)) for _ in range(5)]
    assert await lanes.run(B, lambda: 5) == 5
    gate.set()
    assert await asyncio.gather(*tasks) == [True] * 5


async def test_work_that_nobody_waits_for_keeps_its_place_until_it_is_done() -> None:
    lanes, gate, begun = Lanes(1, queue=0, name="test"), threading.Event(), threading.Event()
    task = asyncio.ensure_future(outcome(lanes, A, gate, begun))
    await asyncio.to_thread(begun.wait, 30)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    with pytest.raises(Busy):
        await lanes.run(B, lambda: 5)
    gate.set()
    while True:
        try:
            assert await lanes.run(B, lambda: 5) == 5
            break
        except Busy:
            await asyncio.sleep(0.01)


async def test_an_error_in_a_thread_comes_out_and_frees_the_place() -> None:
    lanes = Lanes(1, queue=0, name="test")
    with pytest.raises(ZeroDivisionError):
        await lanes.run(A, lambda: 1 // 0)
    await asyncio.sleep(0.05)
    assert await lanes.run(A, lambda: 1) == 1


async def test_work_that_is_cancelled_before_its_turn_never_begins_and_frees_the_queue() -> None:
    lanes, gate, begun, done = Lanes(1, queue=1, name="test"), threading.Event(), threading.Event(), threading.Event()
    first = lanes.submit(A, lambda: gate.wait(30))
    for _ in range(3):
        assert lanes.submit(A, begun.set).cancel()
    last = lanes.submit(B, done.set)
    gate.set()
    assert await asyncio.to_thread(first.result, 30)
    await asyncio.to_thread(last.result, 30)
    assert done.is_set()
    assert not begun.is_set()


async def test_work_may_be_given_from_many_threads_at_once() -> None:
    lanes, counted = Lanes(3, queue=1000, name="test"), []

    def give(account: str) -> None:
        futures = [lanes.submit(account, lambda: counted.append(account)) for _ in range(200)]
        for future in futures:
            future.result(30)

    await asyncio.gather(*(asyncio.to_thread(give, account) for account in (A, B, C)))
    assert len(counted) == 600


async def test_what_failed_work_held_is_freed_without_the_collector() -> None:
    class Large:
        pass

    held: list[weakref.ref[Large]] = []

    def work() -> None:
        large = Large()
        held.append(weakref.ref(large))
        raise ValueError(large)

    lanes = Lanes(2, queue=9, name="test")
    gc.disable()
    try:
        # One runs at once, the others wait for it.
        await asyncio.gather(*(lanes.run(A, work) for _ in range(3)), return_exceptions=True)
        for _ in range(1000):
            await asyncio.sleep(0.001)
            if all(one() is None for one in held):
                break
    finally:
        gc.enable()
    assert [one() for one in held] == [None] * 3


async def test_work_that_rests_leaves_its_place_empty_for_a_while() -> None:
    lanes = Lanes(3, queue=9, name="test", rest=0.5)
    ended: list[float] = []
    begun: list[float] = []

    def work() -> None:
        begun.append(time.monotonic())
        time.sleep(0.02)
        ended.append(time.monotonic())

    await asyncio.gather(*(lanes.run(A, work) for _ in range(6)))
    # Two at once: the third began when one of the first two had rested.
    assert begun[2] - min(ended[:2]) >= 0.01
    assert begun[4] - min(ended[2:4]) >= 0.01
