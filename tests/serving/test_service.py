"""Text in, text out, with real engine processes: the echo engine, and weights that say what the test wants."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from fireside.chat.messages import Message
from fireside.engine.types import Sampling
from fireside.errors import (
    Busy,
    ContextOverflow,
    EngineLost,
    InvalidInput,
    InvalidModelId,
    ModelNotDownloaded,
    ShuttingDown,
    UnknownModel,
)
from fireside.serving.service import Service
from fireside.serving.types import Delta, TextRequest, Usage
from support.chain_model import chain, make_chain_model
from support.children import Children
from support.tiny_tokenizers import tiny_byte_level, tiny_sentencepiece
from support.user_models import add_model, opened

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("children")]
LIMIT = 30.0
"""Seconds after which a test that hangs fails."""
GREEDY = Sampling(temperature=0)


@asynccontextmanager
async def serving(data_dir: Path, **values: object) -> AsyncIterator[Service]:
    """A service whose user added the echo model "echo" and whatever the test did."""
    add_model(data_dir, "echo")
    async with asyncio.timeout(LIMIT), opened(data_dir, **values) as service:
        yield service


def ask(text: str | None = "hello", name: str = "echo", **values: Any) -> TextRequest:
    return TextRequest(**{"model": f"@hf/me/{name}", "prompt": text, "sampling": GREEDY, **values})


async def collect(service: Service, request: TextRequest) -> list[Delta]:
    return [delta async for delta in service.generate(request)]


async def say(service: Service, request: TextRequest) -> str:
    return "".join([delta.text for delta in await collect(service, request)])


async def begun(service: Service, request: TextRequest) -> "asyncio.Task[list[Delta]]":
    """A generation that runs in a task and has said something."""
    task = asyncio.create_task(collect(service, request))
    while not request.usage.completion_tokens:  # noqa: ASYNC110 - a count has no events
        await asyncio.sleep(0.001)
    return task


# The echo engine


async def test_an_answer_comes_in_pieces_and_ends_with_its_usage(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        request = ask("Wärme ☀")
        deltas = await collect(service, request)
        size = len("Wärme ☀".encode())
        assert [delta.text for delta in deltas] == [*"Wärme ☀", ""]
        assert deltas[-1] == Delta("", "stop", Usage(size, size))
        assert all(delta.finish_reason is None and delta.usage is None for delta in deltas[:-1])
        assert request.usage == Usage(size, size)


async def test_max_tokens_cut_an_answer_without_breaking_a_character(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        request = ask("Wärme", max_tokens=2)
        assert await collect(service, request) == [Delta("W"), Delta("", "length", Usage(6, 2))]
        assert request.usage == Usage(6, 2)


@pytest.mark.parametrize("raw", [False, True])
async def test_messages_and_prompts(tmp_path: Path, raw: bool) -> None:
    async with serving(tmp_path) as service:
        messages = (Message("system", "be"), Message("user", "brief"))
        assert await say(service, ask(None, messages=messages, raw=raw)) == "be\nbrief"
        assert await say(service, ask(" two  spaces ", raw=raw)) == " two  spaces "
        with pytest.raises(InvalidInput):
            await collect(service, ask("", raw=raw))


async def test_a_stop_text_ends_the_answer_before_it(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        request = ask("one two three", stop=("never", " th"))
        deltas = await collect(service, request)
        assert "".join(delta.text for delta in deltas) == "one two"
        made = len("one two th")
        assert deltas[-1] == Delta("", "stop", Usage(len("one two three"), made))
        assert request.usage.completion_tokens == made


async def test_what_only_begins_like_a_stop_text_is_said(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        assert await say(service, ask("one two thr", stop=("three",))) == "one two thr"
        [*_, last] = await collect(service, ask("one two three", stop=("three",), max_tokens=10))
        assert last == Delta("th", "length", Usage(len("one two three"), 10))


async def test_a_stop_text_cancels_the_generation(tmp_path: Path) -> None:
    add_model(tmp_path, "single", max_num_seqs=1)
    async with serving(tmp_path, echo_tokens_per_second=200) as service:
        assert (
            await say(service, ask("say no more" + "x" * 3000, "single", stop=(" more",), max_tokens=1000)) == "say no"
        )
        # With its only slot still taken this would be refused.
        assert await say(service, ask("next", "single", wait=False)) == "next"


async def test_a_clipped_answer_ends_with_the_context_window(tmp_path: Path) -> None:
    async with serving(tmp_path, context_length=64) as service:
        [*_, last] = await collect(service, ask("x" * 40, max_tokens=1000, clip=True))
        assert last == Delta("x", "length", Usage(40, 24))
        [*_, last] = await collect(service, ask("x" * 40, max_tokens=10, clip=True))
        assert last == Delta("x", "length", Usage(40, 10))
        with pytest.raises(ContextOverflow) as caught:
            await collect(service, ask("x" * 64, max_tokens=1000, clip=True))
        assert (caught.value.prompt_tokens, caught.value.max_tokens, caught.value.context_length) == (64, 1, 64)


async def test_answers_side_by_side_are_those_of_each_alone(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        requests = [ask("one two three four", sampling=Sampling(seed=seed)) for seed in range(1, 8)]
        alone = [await say(service, request) for request in requests]
        assert await asyncio.gather(*(say(service, request) for request in requests)) == alone
        assert len(set(alone)) > 1


async def test_a_client_that_goes_away_frees_the_slot_and_is_counted(tmp_path: Path) -> None:
    add_model(tmp_path, "single", max_num_seqs=1)
    async with serving(tmp_path, echo_tokens_per_second=200) as service:
        request = ask("x" * 1000, "single")
        async with aclosing(service.generate(request)) as deltas:
            async for _ in deltas:
                if request.usage.completion_tokens == 3:
                    break
        assert request.usage == Usage(1000, 3)
        stats = (await service.status("@hf/me/single")).stats
        assert stats is not None
        assert stats.running == 0
        assert await say(service, ask("hello", "single", wait=False)) == "hello"


async def test_a_full_model_is_busy_and_uses_nothing(tmp_path: Path) -> None:
    add_model(tmp_path, "single", max_num_seqs=1)
    async with serving(tmp_path, echo_tokens_per_second=50, queue_size=0) as service:
        running = await begun(service, ask("x" * 1000, "single"))
        for wait in (True, False):
            request = ask("hello", "single", wait=wait)
            with pytest.raises(Busy):
                await collect(service, request)
            assert request.usage == Usage(0, 0)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert await say(service, ask("hello", "single")) == "hello"


async def test_a_place_goes_to_the_account_that_had_the_fewest_tokens(tmp_path: Path) -> None:
    """Not to the one that came first, and not to each in turn."""
    add_model(tmp_path, "single", max_num_seqs=1)
    async with serving(tmp_path) as service:
        ended: list[str] = []

        async def answer(account: str, text: str) -> None:
            await collect(service, ask(text, "single", account=account))
            ended.append(account)

        async def comes(account: str, text: str, waiting: int) -> "asyncio.Task[None]":
            task = asyncio.create_task(answer(account, text))
            while (stats := (await service.status("@hf/me/single")).stats) is None or stats.waiting < waiting:  # noqa: ASYNC110
                await asyncio.sleep(0.001)
            return task

        async with aclosing(service.generate(ask("x" * 1000, "single", max_tokens=500, account="long"))) as deltas:
            for _ in range(200):
                await anext(deltas)
            tasks = [await comes("long", "x" * 100, number) for number in (1, 2)]
            tasks += [await comes("short", "abc", number) for number in (3, 4, 5)]
        await asyncio.gather(*tasks)
        assert ended == ["short", "short", "short", "long", "long"]


async def test_the_context_is_the_smallest_of_all_limits(tmp_path: Path) -> None:
    add_model(tmp_path, "small", context_length=64)
    async with serving(tmp_path, context_length=100) as service:
        for name, limit in (("echo", 100), ("small", 64)):
            request = ask("12345", name, max_tokens=limit - 4)
            with pytest.raises(ContextOverflow) as caught:
                await collect(service, request)
            error = caught.value
            assert (error.prompt_tokens, error.max_tokens, error.context_length) == (5, limit - 4, limit)
            assert request.usage == Usage(0, 0)
            assert await say(service, ask("12345", name, max_tokens=limit - 5)) == "12345"


async def test_a_lost_engine_costs_the_running_answers_and_no_others(tmp_path: Path, children: Children) -> None:
    async with serving(tmp_path, echo_tokens_per_second=100) as service:
        request = ask("x" * 1000)
        running = await begun(service, request)
        (child,) = children()
        os.kill(child.pid, signal.SIGKILL)
        with pytest.raises(EngineLost):
            await running
        assert request.usage.prompt_tokens == 1000
        assert request.usage.completion_tokens >= 1
        assert await say(service, ask("again")) == "again"


async def test_close_with_running_answers(tmp_path: Path) -> None:
    async with serving(tmp_path, echo_tokens_per_second=100) as service:
        running = [await begun(service, ask("x" * 1000)) for _ in range(3)]
        await service.close()
        for result in await asyncio.gather(*running, return_exceptions=True):
            assert isinstance(result, EngineLost)
        with pytest.raises(ShuttingDown):
            await say(service, ask())


async def test_a_model_can_be_loaded_before_anyone_asks(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        await service.load("@hf/me/echo")
        assert (await service.status("@hf/me/echo")).state == "ready"


# Which model answers


async def test_models_are_those_of_the_catalog(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        names = [spec.id for spec in service.models()]
        assert "@hf/me/echo" in names
        assert "@hf/fireside/echo" in names
        assert service.resolve("@hf/me/echo").id == "@hf/me/echo"
        for name, kind in (("@hf/me/nothing", UnknownModel), ("echo", InvalidModelId)):
            with pytest.raises(kind):
                service.resolve(name)
            with pytest.raises(kind):
                await service.status(name)
            with pytest.raises(kind):
                await say(service, TextRequest(model=name, prompt="hello"))


async def test_a_model_that_is_not_here_says_what_to_do(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        mistral = "@hf/mistral/mistral-7b-instruct-v0.2"
        assert service.resolve(mistral).id == mistral
        assert (await service.status(mistral)).state == "not-downloaded"
        with pytest.raises(ModelNotDownloaded, match=f"fireside pull {mistral}"):
            await collect(service, TextRequest(model=mistral, prompt="hello"))


async def test_a_stand_in_answers_only_for_models_that_are_not_here(tmp_path: Path) -> None:
    add_model(tmp_path, "absent", folder=tmp_path / "nowhere")
    add_model(tmp_path, "present")
    async with serving(tmp_path, stand_in="@hf/me/echo") as service:
        for name, answering in (("absent", "echo"), ("present", "present"), ("echo", "echo")):
            assert service.resolve(f"@hf/me/{name}").id == f"@hf/me/{answering}"
        assert await say(service, ask("hello", "absent")) == "hello"
        assert (await service.status("@hf/me/absent")).state == "not-downloaded"
        assert (await service.status("@hf/me/present")).state == "idle"
        with pytest.raises(UnknownModel):
            service.resolve("@hf/me/nothing")


# Weights


END = 257
"""The id of "<|end|>" in the byte-level tokenizer."""


@pytest.fixture(scope="module")
def warm_words(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Says "ärme ☀" after "W", then ends."""
    folder = tmp_path_factory.mktemp("bytes")
    tokenizer = tiny_byte_level()
    ids: dict[str, int] = tokenizer["model"]["vocab"]
    # Byte-level BPE spells each byte as a character of its own: printable ones as themselves, others from U+0100 on.
    spelled = {byte: chr(byte) for byte in (*range(33, 127), *range(161, 173), *range(174, 256))}
    others = [byte for byte in range(256) if byte not in spelled]
    spelled |= {byte: chr(256 + index) for index, byte in enumerate(others)}
    make_chain_model(folder, tokenizer, chain(*(ids[spelled[byte]] for byte in "Wärme ☀".encode()), END))
    return folder


@pytest.fixture(scope="module")
def spaced_words(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Says "▁a", "ab" after "b", then ends."""
    folder = tmp_path_factory.mktemp("pieces")
    ids: dict[str, int] = tiny_sentencepiece()["model"]["vocab"]
    make_chain_model(folder, tiny_sentencepiece(), chain(*(ids[token] for token in ("b", "▁a", "ab", "</s>"))))
    return folder


async def test_usage_counts_what_the_cache_held(tmp_path: Path, warm_words: Path) -> None:
    """Of the account's own requests: what others asked is not cached, and is told to nobody."""
    add_model(tmp_path, "words", folder=warm_words, stop=["<|end|>"])
    async with serving(tmp_path) as service:
        cached = []
        for account in ("one", "one", "two", "one"):
            request = ask("W" * 40, "words", raw=True, account=account)
            usage = (await collect(service, request))[-1].usage
            assert usage is not None
            assert usage.cached_tokens == request.usage.cached_tokens
            cached.append((usage.cached_tokens, usage.prompt_tokens))
        assert cached == [(0, 40), (39, 40), (0, 40), (39, 40)]
        salted = []
        for salt in ("a", "a", "b", ""):
            request = ask("W" * 30, "words", raw=True, account="three", cache_salt=salt)
            salted.append((await collect(service, request))[-1].usage)
        assert [usage.cached_tokens for usage in salted if usage] == [0, 29, 0, 0]


async def test_an_answer_of_weights(tmp_path: Path, warm_words: Path) -> None:
    """Characters come whole, the stop token is neither said nor counted, and a warm start says the same."""
    add_model(tmp_path, "words", folder=warm_words, stop=["<|end|>"])
    async with serving(tmp_path) as service:
        request = ask("W", "words")
        expected = [Delta(""), *(Delta(character) for character in "ärme ☀"), Delta("", "stop", Usage(1, 9))]
        assert await collect(service, request) == expected
        assert request.usage == Usage(1, 9)
        # "ä" has two bytes, "☀" three: an answer that is cut inside of one has neither.
        for most, said in ((1, ""), (2, "ä"), (3, "är"), (8, "ärme "), (9, "ärme ☀")):
            request = ask("W", "words", max_tokens=most)
            deltas = await collect(service, request)
            assert "".join(delta.text for delta in deltas) == said
            assert (deltas[-1].finish_reason, deltas[-1].usage) == ("length", Usage(1, most))
            assert request.usage == Usage(1, most)
        assert await say(service, ask("wrong prompt, then W", "words", raw=True)) == "ärme ☀"


async def test_many_answers_at_once_and_some_that_leave(tmp_path: Path, warm_words: Path) -> None:
    add_model(tmp_path, "words", folder=warm_words, max_num_seqs=3, stop=["<|end|>"])
    async with serving(tmp_path) as service:
        requests = [ask("x" * (number * 7 % 50) + "W", "words") for number in range(20)]
        tasks = [asyncio.create_task(say(service, request)) for request in requests]
        while not requests[0].usage.completion_tokens:  # noqa: ASYNC110 - a count has no events
            await asyncio.sleep(0.001)
        for task in tasks[1::3]:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        kept = [result for index, result in enumerate(results) if index % 3 != 1]
        assert kept == ["ärme ☀"] * len(kept)
        stats = (await service.status("@hf/me/words")).stats
        assert stats is not None
        assert (stats.running, stats.waiting) == (0, 0)


async def test_the_space_before_an_answer(tmp_path: Path, spaced_words: Path) -> None:
    """sentencepiece puts one before every text: it belongs to a continuation, not to an answer."""
    add_model(tmp_path, "pieces", folder=spaced_words)
    async with serving(tmp_path) as service:
        assert await say(service, ask("b", "pieces")) == "aab"
        assert await say(service, ask("b", "pieces", raw=True)) == " aab"
        messages = (Message("user", "b"),)
        assert await say(service, ask(None, "pieces", messages=messages)) == "aab"
        begun = (Message("user", "Say it."), Message("assistant", "b"))
        assert await say(service, ask(None, "pieces", messages=begun)) == " aab"
