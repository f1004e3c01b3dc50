"""What happens to an engine happens to its requests in the same way, whichever engine it is."""

import asyncio
import os
import signal
import sys

import pytest

from fireside.errors import Busy, EngineLost
from support.children import Children
from support.engine_subjects import Answer, Running, Subject, ask, running

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.usefixtures("children"),
    pytest.mark.skipif(sys.platform == "win32", reason="signals"),
]
LONG = 200


async def begun(engine: Running, account: str = "") -> "asyncio.Task[Answer]":
    """A long answer in a task; its first token is there."""
    first = asyncio.Event()

    async def run() -> Answer:
        answer = Answer()
        async for _ in engine.tokens(ask(max_tokens=LONG, stop_ids=[], account=account), answer):
            first.set()
        return answer

    task = asyncio.create_task(run())
    await asyncio.wait([task, asyncio.ensure_future(first.wait())], return_when=asyncio.FIRST_COMPLETED)
    assert not task.done()
    return task


async def test_its_death_costs_each_request_one_clean_error_and_then_it_is_back(
    subject: Subject, children: Children
) -> None:
    async with running(subject) as engine:
        expected = (await engine.answer(ask())).ids
        tasks = [await begun(engine, "a"), await begun(engine, "b")]
        [process] = children()
        os.kill(process.pid, signal.SIGKILL)
        errors = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(error) for error in errors] == [EngineLost, EngineLost]
        assert errors[0] is not errors[1]
        assert engine.admission.waiting == 0
        assert (await engine.answer(ask())).ids == expected
        assert [one.pid for one in children()] != [process.pid]


async def test_a_full_queue_is_busy_and_who_will_not_wait_is_refused(subject: Subject) -> None:
    async with running(subject, queue=1) as engine:
        tasks = [await begun(engine, "a"), await begun(engine, "b")]
        with pytest.raises(Busy):
            await engine.answer(ask(account="c"), wait=False)
        waiting = asyncio.create_task(engine.answer(ask(account="c")))
        while not engine.admission.waiting:  # noqa: ASYNC110 - a queue's length has no events
            await asyncio.sleep(0)
        with pytest.raises(Busy, match="1 waiting"):
            await engine.answer(ask(account="c"))
        tasks[0].cancel()
        assert len((await waiting).ids) == 12
        tasks[1].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_unloading_ends_its_answers_and_gives_all_back(subject: Subject, children: Children) -> None:
    async with running(subject) as engine:
        task = await begun(engine)
        await engine.engine.close()
        with pytest.raises(EngineLost):
            await task
        assert children() == []
        with pytest.raises(EngineLost):
            await engine.answer(ask())
