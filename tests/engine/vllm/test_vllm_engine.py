"""vLLM itself, on the CPU: what the conformance suite does not ask of every engine."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from pathlib import Path

import msgspec
import numpy as np
import psutil
import pytest

from fireside.engine.types import Adapter
from fireside.errors import EngineFailed, EngineLost
from support.adapters import CONFIG, WEIGHTS, adapter_config, adapter_tensors, make_adapter
from support.children import Children
from support.engine_subjects import SUBJECTS, Answer, Running, Subject, ask, running, seeded

pytestmark = [pytest.mark.anyio, pytest.mark.skipif(sys.platform != "linux", reason="vLLM runs on Linux")]

STREAMS = 8


@pytest.fixture(scope="module")
def subject(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    subject = SUBJECTS["vllm"](tmp_path_factory.mktemp("vllm"))
    options = msgspec.structs.replace(subject.options, max_num_seqs=STREAMS + 2)
    return Subject("vllm", options, subject.adapter, reuses_prefixes=True)


@pytest.fixture(scope="module")
async def engine(subject: Subject) -> AsyncIterator[Running]:
    async with running(subject) as started:
        yield started


Spoil = Callable[[Path, int], None]


def _config(**changes: object) -> Spoil:
    def spoil(folder: Path, number: int) -> None:
        (folder / CONFIG).write_text(json.dumps(adapter_config(**changes)))

    return spoil


def _bytes(name: str, change: Callable[[bytes, int], bytes]) -> Spoil:
    def spoil(folder: Path, number: int) -> None:
        path = folder / name
        path.write_bytes(change(path.read_bytes(), number))

    return spoil


def _tensors(**arguments: object) -> Spoil:
    def spoil(folder: Path, number: int) -> None:
        make_adapter(folder, tensors=adapter_tensors(**arguments))  # type: ignore[arg-type]

    return spoil


def _wrong_shape(folder: Path, number: int) -> None:
    tensors = adapter_tensors()
    name = sorted(tensors)[number % len(tensors)]
    rows, columns = tensors[name].shape
    tensors[name] = np.ones((rows + number % 3, columns + 1 + number % 5), np.float32)
    make_adapter(folder, tensors=tensors)


def _half_missing(folder: Path, number: int) -> None:
    tensors = adapter_tensors()
    del tensors[sorted(tensors)[number % len(tensors)]]
    make_adapter(folder, tensors=tensors)


SPOILED: list[Spoil] = [
    _config(r=0),
    _config(r=-4),
    _config(r=4096),
    _config(r="four"),
    _config(r=None),
    _config(lora_alpha=None),
    _config(target_modules=["q_proj", "nowhere"]),
    _config(target_modules="["),
    _config(use_dora=True),
    _config(bias="all"),
    _config(modules_to_save=["lm_head"]),
    _config(peft_type="IA3"),
    _config(rank_pattern={"q_proj": 64}),
    _bytes(CONFIG, lambda text, number: text[: number * 7]),
    _bytes(CONFIG, lambda text, number: b"[" * 100_000),
    _bytes(WEIGHTS, lambda text, number: b""),
    _bytes(WEIGHTS, lambda text, number: text[: 8 + 100 * number]),
    _bytes(WEIGHTS, lambda text, number: b"\xff" * 8 + text[8:]),
    _bytes(WEIGHTS, lambda text, number: os.urandom(len(text))),
    _wrong_shape,
    _half_missing,
    _tensors(rank=64),
    _tensors(layers=9),
    _tensors(dtype=np.int32),
    _tensors(key="base_model.model.{layer}.{block}.{module}.lora_{half}.weight"),
]


async def test_fifty_malformed_adapters_cost_eight_streams_no_token(engine: Running, tmp_path: Path) -> None:
    streams = [ask(list(b"Aller Anfang"), max_tokens=120, sampling=seeded(number)) for number in range(STREAMS)]
    alone = [answer.ids for answer in await engine.answers(streams)]
    pid = engine.engine.pid  # type: ignore[attr-defined]
    tasks = [asyncio.create_task(engine.answer(request)) for request in streams]
    failed = 0
    for number in range(50):
        folder = make_adapter(tmp_path / str(number))
        SPOILED[number % len(SPOILED)](folder, number)
        request = ask(adapter=Adapter(str(number), str(folder)), max_tokens=2)
        [outcome] = await asyncio.gather(engine.answer(request), return_exceptions=True)
        assert isinstance(outcome, Answer | EngineFailed)
        assert str(tmp_path) not in str(outcome)
        failed += isinstance(outcome, EngineFailed)
    assert [answer.ids for answer in await asyncio.gather(*tasks)] == alone
    assert failed >= 30  # vLLM takes some of them: what it does not need is missing or wrong there
    assert engine.engine.pid == pid  # type: ignore[attr-defined]
    assert len((await engine.answer(ask(adapter=engine.subject.adapter))).ids) == 12


async def test_adapters_in_every_slot_leave_other_requests_alone(engine: Running, tmp_path: Path) -> None:
    """On the CPU, vLLM adds its last slot's adapter to rows that have none."""
    plain = ask(list(b"Aller Anfang"), max_tokens=40, sampling=seeded(3))
    alone = (await engine.answer(plain)).ids
    folders = [make_adapter(tmp_path / str(seed), tensors=adapter_tensors(seed=seed)) for seed in (11, 12)]
    adapted = [ask(adapter=Adapter(str(folder), str(folder)), max_tokens=40) for folder in folders]
    answers = await engine.answers([plain, *adapted, plain])
    assert [answers[0].ids, answers[3].ids] == [alone, alone]
    assert answers[1].ids != answers[2].ids


async def test_more_adapters_than_slots_starve_nobody(engine: Running, tmp_path: Path) -> None:
    """Two accounts keep both slots busy without a pause; the third's adapter gets its turn."""
    adapters = [
        Adapter(f"turn {number}", str(make_adapter(tmp_path / str(number), tensors=adapter_tensors(seed=number))))
        for number in range(4)
    ]
    expected = [(await engine.answer(ask(adapter=adapter))).ids for adapter in adapters]
    stop = asyncio.Event()

    async def keep_busy(adapter: Adapter) -> None:
        while not stop.is_set():
            await engine.answer(ask(adapter=adapter, max_tokens=30))

    busy = [asyncio.create_task(keep_busy(adapter)) for adapter in (*adapters[:2], *adapters[:2])]
    try:
        for _ in range(2):
            answers = await engine.answers([ask(adapter=adapter) for adapter in adapters[2:]])
            assert [answer.ids for answer in answers] == expected[2:]
    finally:
        stop.set()
        await asyncio.gather(*busy)


async def test_an_adapter_is_not_read_again_while_it_is_loaded(engine: Running, tmp_path: Path) -> None:
    folder = make_adapter(tmp_path / "once")
    request = ask(adapter=Adapter("once", str(folder)))
    first = (await engine.answer(request)).ids
    for name in (CONFIG, WEIGHTS):
        (folder / name).unlink()
    assert (await engine.answer(request)).ids == first


async def test_workers_end_with_their_engine(subject: Subject, children: Children) -> None:
    """Two worker processes share each layer; killing their parent leaves neither, and then it answers again."""
    options = msgspec.structs.replace(subject.options, tensor_parallel_size=2, max_num_seqs=2)
    async with running(Subject("vllm", options)) as engine:
        expected = (await engine.answer(ask())).ids
        [process] = children()
        workers = process.children(recursive=True)
        assert len(workers) >= 2
        tokens = engine.tokens(ask(max_tokens=200), Answer())
        async with aclosing(tokens):  # type: ignore[type-var]
            await anext(tokens)
            os.kill(process.pid, signal.SIGKILL)
            with pytest.raises(EngineLost):
                async for _ in tokens:
                    pass
        assert psutil.wait_procs(workers, timeout=10)[1] == []
        assert (await engine.answer(ask())).ids == expected


async def test_the_context_is_what_the_memory_holds(subject: Subject) -> None:
    """64 KiB hold 16 times 32 tokens of two layers with 2 heads of 32, keys and values in f32, less one block."""
    options = msgspec.structs.replace(subject.options, kv_memory=8 * 32 * 1024, context_length=512)
    async with running(Subject("vllm", options)) as engine:
        assert 64 <= engine.info.context_length < 512
        answer = await engine.answer(ask([5] * (engine.info.context_length - 3), max_tokens=3))
        assert len(answer.ids) == 3
