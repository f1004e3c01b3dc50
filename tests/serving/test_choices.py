"""Several answers of one request: they come side by side, fail together, and are counted once."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

import pytest

from fireside.errors import EngineLost
from fireside.serving.choices import Choices, generate_choices
from fireside.serving.types import Delta, TextRequest, Usage
from support.echo_service import PLAIN, EchoService

pytestmark = pytest.mark.anyio


def choices(*prompts: str, each: int = 1) -> Choices:
    requests = [TextRequest(model=PLAIN, prompt=prompt, usage=Usage()) for prompt in prompts for _ in range(each)]
    return Choices(tuple(requests), each)


def generate(service: EchoService, asked: Choices) -> AsyncGenerator[Delta, None]:
    return generate_choices(service, asked)


def texts(deltas: list[Delta], count: int) -> list[str]:
    return ["".join(delta.text for delta in deltas if delta.choice == number) for number in range(count)]


async def test_one_choice_is_the_answer_itself() -> None:
    deltas = [delta async for delta in generate(EchoService(), choices("a b"))]
    assert deltas == [Delta("a"), Delta(" b"), Delta("", "stop", Usage(2, 2))]


async def test_prompts_are_answered_side_by_side() -> None:
    deltas = [delta async for delta in generate(EchoService(delay=0.001), choices("a b c", "d e f", "g"))]
    assert texts(deltas, 3) == ["a b c", "d e f", "g"]
    assert [delta.choice for delta in deltas] != sorted(delta.choice for delta in deltas)
    assert sorted(delta.choice for delta in deltas if delta.finish_reason) == [0, 1, 2]
    assert [delta.usage for delta in deltas if delta.usage] == [Usage(7, 7)]
    assert deltas[-1].usage


async def test_a_prompt_counts_once_and_every_answer_counts() -> None:
    asked = choices("a b c", "d e", each=3)
    deltas = [delta async for delta in generate(EchoService(), asked)]
    assert texts(deltas, 6) == ["a b c"] * 3 + ["d e"] * 3
    assert deltas[-1].usage == asked.usage() == Usage(5, 15)


async def test_a_prompts_other_answers_begin_when_it_has_been_read() -> None:
    """Then the engine holds the prompt, and need not compute it for each of them."""
    service = EchoService(prefill=0.5)
    async with aclosing(generate(service, choices("a b", each=3))) as deltas:
        first = asyncio.create_task(anext(deltas))
        for _ in range(20):
            await asyncio.sleep(0)
        assert len(service.requests) == 1
        await first
        async for _ in deltas:
            pass
    assert len(service.requests) == 3


@pytest.mark.parametrize("place", [0, 1, 2])
async def test_one_that_fails_ends_all(place: int) -> None:
    prompts = ["!endless"] * 3
    prompts[place] = "!later:lost"
    service = EchoService(delay=0.001)
    with pytest.raises(EngineLost):
        async for _ in generate(service, choices(*prompts)):
            pass
    assert (service.running, service.cancelled) == (0, 2)


async def test_the_first_of_a_prompt_that_fails_ends_those_that_wait_for_it() -> None:
    service = EchoService()
    with pytest.raises(EngineLost):
        async for _ in generate(service, choices("!lost", each=4)):
            pass
    assert (service.running, len(service.requests)) == (0, 1)


async def test_closing_cancels_all() -> None:
    service = EchoService(delay=0.001)
    asked = choices("!endless", "!endless", each=2)
    async with aclosing(generate(service, asked)) as deltas:
        seen = set()
        async for delta in deltas:
            seen.add(delta.choice)
            if len(seen) == 4:
                break
    assert (service.running, service.cancelled) == (0, 4)
    assert asked.usage().completion_tokens >= 4, "what was made is counted"


async def test_who_does_not_read_holds_the_answers_up() -> None:
    service = EchoService()
    async with aclosing(generate(service, choices(*["!endless"] * 3))) as deltas:
        await anext(deltas)
        await asyncio.sleep(0.05)
        made = service.words
        await asyncio.sleep(0.05)
        assert service.words == made < 20


async def test_no_two_share_a_meter() -> None:
    asked = choices("a b", each=2)
    assert len({id(request.usage) for request in asked.requests}) == 2
    assert replace(asked, requests=asked.requests[:1]).usage() == Usage(0, 0)
