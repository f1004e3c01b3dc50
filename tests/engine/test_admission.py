"""In front of an engine: what it lacks, what fits, how much waits, and whose turn it is."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from fireside.engine.admission import Admission
from fireside.engine.echo import ENGINE
from fireside.engine.engine_type import EngineType
from fireside.engine.types import Adapter, EngineInfo, GenerationRequest, Sampling
from fireside.errors import Busy, ContextOverflow, FeatureUnavailable
from fireside.shares import QUEUES

pytestmark = pytest.mark.anyio
A, B, C = "first", "second", "third"


@dataclass
class Answer:
    completion_tokens: int = 0


class Door:
    """An admission, and who went through it, in order."""

    def __init__(
        self, places: int = 1, *, share: int | None = None, queue: int = 9, engine: EngineType[Any] = ENGINE
    ) -> None:
        info = EngineInfo(context_length=100, max_num_seqs=places, load_seconds=0.0)
        self.admission = Admission(engine, info, share=share or places, queue=queue, of="The model")
        self.order: list[str] = []
        self.running: list[asyncio.Event] = []
        self.tasks: list[asyncio.Task[None]] = []

    async def enter(
        self, account: str, *, prompt: int = 1, answer: Answer | None = None, wait: bool = True, **fields: Any
    ) -> "asyncio.Task[None]":
        """A request that comes, and has its place or waits for it. Raises what refuses it."""
        request = GenerationRequest(**{"prompt_ids": [], "max_tokens": 1, "account": account, **fields})

        async def run() -> None:
            async with self.admission.admitted(request, prompt, answer or Answer(), wait=wait):
                self.order.append(account)
                leave = asyncio.Event()
                self.running.append(leave)
                await leave.wait()

        task = asyncio.create_task(run())
        self.tasks.append(task)
        await settled()
        if task.done():
            await task
        return task

    async def one_ends(self) -> None:
        """Of those that run, the one that began first."""
        self.running.pop(0).set()
        await settled()


@pytest.fixture
async def make_door() -> AsyncIterator[Callable[..., Door]]:
    doors: list[Door] = []

    def make(*places: int, **options: Any) -> Door:
        doors.append(Door(*places, **options))
        return doors[-1]

    yield make
    tasks = [task for door in doors for task in door.tasks]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


MakeDoor = Callable[..., Door]


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


@pytest.mark.parametrize(("prompt", "max_tokens"), [(100, 1), (1, 100), (60, 41)])
async def test_what_does_not_fit_is_refused_with_its_numbers(prompt: int, max_tokens: int, make_door: MakeDoor) -> None:
    door = make_door()
    with pytest.raises(ContextOverflow) as caught:
        await door.enter(A, prompt=prompt, max_tokens=max_tokens)
    error = caught.value
    assert (error.prompt_tokens, error.max_tokens, error.context_length) == (prompt, max_tokens, 100)
    await door.enter(A, prompt=prompt - 1, max_tokens=max_tokens)
    assert door.order == [A]


LACKING = replace(ENGINE, lacks={"adapter": "LoRA adapters", "min_p": "min_p", "scores": "logprobs"})


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"adapter": Adapter("id", "folder")}, "LoRA adapters"),
        ({"sampling": Sampling(min_p=0.1)}, "min_p"),
        ({"scores": 0}, "logprobs"),
    ],
)
async def test_what_the_engine_lacks_is_refused_by_name(
    fields: dict[str, Any], named: str, make_door: MakeDoor
) -> None:
    with pytest.raises(FeatureUnavailable, match=f"The echo engine, which runs this model, does not support {named}"):
        await make_door(engine=LACKING).enter(A, **fields)
    await make_door(engine=replace(ENGINE, lacks={})).enter(A, **fields)


async def test_what_does_not_ask_for_what_the_engine_lacks_goes_through(make_door: MakeDoor) -> None:
    await make_door(engine=LACKING).enter(A, sampling=Sampling(top_k=3), score_prompt=True)


async def test_a_full_queue_is_busy_for_its_own_account(make_door: MakeDoor) -> None:
    door = make_door(queue=2)
    for _ in range(3):
        await door.enter(A)
    with pytest.raises(Busy, match="1 of your requests are running and 2 waiting"):
        await door.enter(A)
    with pytest.raises(Busy):
        await door.enter(B, wait=False)
    await door.enter(B)
    assert door.admission.waiting == 3
    for _ in range(4):
        await door.one_ends()
    assert sorted(door.order) == [A, A, A, B]
    assert door.admission.waiting == 0
    await door.enter(B, wait=False)


async def test_all_queues_together_are_bounded(make_door: MakeDoor) -> None:
    door = make_door(queue=2)
    await door.enter(A)
    for number in range(2 * QUEUES):
        await door.enter(f"{number}")
    with pytest.raises(Busy):
        await door.enter("one more")


async def test_an_account_leaves_places_for_others(make_door: MakeDoor) -> None:
    door = make_door(4, share=3)
    for _ in range(5):
        await door.enter(A)
    await door.enter(B)
    assert door.order == [A, A, A, B]
    assert door.admission.waiting == 2


async def test_a_place_goes_to_the_account_that_had_the_fewest_tokens(make_door: MakeDoor) -> None:
    """One sends long prompts, the other short ones: they get as many tokens, not as many turns."""
    door = make_door()
    await door.enter(A, prompt=50)
    for _ in range(6):
        await door.enter(A, prompt=50)
        await door.enter(B, prompt=10)
    for _ in range(7):
        await door.one_ends()
    # B begins where A, the last who was served, was then: at 50. Then, A after each: 50, 100, 100, 100, 100, 100, 150.
    assert door.order == [A, B, A, B, B, B, B, A]


async def test_tokens_of_answers_count_while_they_run(make_door: MakeDoor) -> None:
    door = make_door(3)
    answers = {A: Answer(), B: Answer(), C: Answer()}
    for account in (C, A, B):
        await door.enter(account, answer=answers[account])
    for account in (A, B):
        await door.enter(account)
    answers[A].completion_tokens, answers[B].completion_tokens = 50, 2
    await door.one_ends()
    assert door.order == [C, A, B, B]


async def test_who_comes_new_goes_before_who_had_much_and_not_before_who_had_nothing(make_door: MakeDoor) -> None:
    door = make_door()
    await door.enter(A, prompt=90)
    for account in (A, B, C):
        await door.enter(account, prompt=90)
    for _ in range(3):
        await door.one_ends()
    assert door.order == [A, B, C, A]


async def test_who_gives_up_leaves_nothing_behind(make_door: MakeDoor) -> None:
    door = make_door()
    await door.enter(A)
    waiting = await door.enter(B)
    await door.enter(C)
    waiting.cancel()
    await door.one_ends()
    assert door.order == [A, C]
    await door.one_ends()
    await door.enter(B, wait=False)
    assert door.order == [A, C, B]


async def test_who_gives_up_in_the_moment_in_which_it_gets_its_place(make_door: MakeDoor) -> None:
    door = make_door()
    await door.enter(A)
    waiting = await door.enter(B)
    await door.enter(C)
    door.running.pop(0).set()
    await asyncio.sleep(0)  # B's place is given to it, and it has not woken yet
    await asyncio.sleep(0)
    waiting.cancel()
    await settled()
    assert C in door.order
    door.running[-1].set()
    await settled()
    await door.enter(B, wait=False)


async def test_an_answer_that_fails_frees_its_place(make_door: MakeDoor) -> None:
    door = make_door()
    task = await door.enter(A)
    await door.enter(B)
    task.cancel()
    await settled()
    assert door.order == [A, B]
