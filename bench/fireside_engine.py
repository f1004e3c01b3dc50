"""Fireside's own engine, measured where the server would call it: its process, its scheduler, its messages; no HTTP."""

import asyncio
import shutil
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np

from bench.memory import PeakMemory
from bench.rates import decode_rate
from bench.workload import Turn, Unavailable, Workload
from fireside.engine.onnx.options import OnnxOptions
from fireside.engine.protocol import Engine
from fireside.engine.registry import create
from fireside.engine.types import Adapter, GenerationRequest, Sampling
from fireside.errors import ConstraintNotMet, FiresideError

SAMPLING = Sampling(temperature=0.01)
"""All but greedy, and without a seed, like the requests that most people send."""

SEEDED = Sampling(temperature=0.01, seed=1)
_SAVE_SECONDS = 300.0

W = TypeVar("W")
T = TypeVar("T")


class EngineContender(Generic[W, T]):
    """Fireside's engine process, asked directly. See `bench.workload.Contender`; subclasses have the turn.

    Args:
        work: where repacked weights are kept.
        model: the AWQ checkpoint's folder.
    """

    name = "Fireside"

    def __init__(self, work: Path, model: Path) -> None:
        self._cache = work / "fireside-cache"
        self._model = model

    def prepare(self) -> None:
        pass

    def take_turn(self, workload: W, first: bool) -> T:
        try:
            return asyncio.run(self._take_turn(workload, first))
        except FiresideError as error:
            raise Unavailable(str(error)) from error

    async def _take_turn(self, workload: W, first: bool) -> T:
        raise NotImplementedError

    def _options(self, **options: Any) -> OnnxOptions:
        return OnnxOptions(model_path=str(self._model), cache_dir=str(self._cache), **options)


class Fireside(EngineContender[Workload, Turn]):
    """Prefill and decode."""

    async def _take_turn(self, workload: Workload, first: bool) -> Turn:
        turn = Turn()
        options = self._options(
            context_length=workload.context_length, max_num_seqs=max(workload.batches), threads=workload.threads
        )
        if first:
            shutil.rmtree(self._cache, ignore_errors=True)
            with PeakMemory() as memory:
                async with running_engine(options) as (_, seconds):
                    turn.cold_load = seconds
                    await self._until_saved()
            turn.cold_memory = memory.peak
        with PeakMemory() as memory:
            async with running_engine(options) as (engine, turn.load):
                await run_streams(engine, [random_prompt(16)], 2)  # what is left for the first request is not speed
                began = time.perf_counter()
                times = await run_streams(engine, [random_prompt(workload.prefill_tokens)], 1)
                turn.prefill = workload.prefill_tokens / (times[0][0] - began)
                for batch in workload.batches:
                    prompts = [random_prompt(workload.prompt_tokens) for _ in range(batch)]
                    # One prompt is prefilled per step: the first stream runs that much longer than the last.
                    times = await run_streams(engine, prompts, workload.decode_tokens + batch)
                    turn.decode[batch] = decode_rate(times)
                prompts = [random_prompt(workload.prompt_tokens)]
                times = await run_streams(engine, prompts, workload.decode_tokens + 1, sampling=SEEDED)
                turn.seeded = decode_rate(times)
        turn.memory = memory.peak
        return turn

    async def _until_saved(self) -> None:
        """Wait until the repacked weights are on disk: that goes on after loading, while the model already answers."""
        deadline = time.monotonic() + _SAVE_SECONDS
        while not (names := [path.name for path in self._cache.iterdir()]) or any(".tmp" in name for name in names):
            if time.monotonic() > deadline:
                print(f"Fireside did not save its repacked weights in {self._cache}.", file=sys.stderr)
                return
            await asyncio.sleep(0.2)


@asynccontextmanager
async def running_engine(options: OnnxOptions) -> AsyncIterator[tuple[Engine, float]]:
    """A started engine and the seconds its start took; it is closed at the end."""
    engine = create("onnx", options)
    began = time.perf_counter()
    try:
        await engine.start()
        yield engine, time.perf_counter() - began
    finally:
        await engine.close()


async def run_streams(
    engine: Engine,
    prompts: Sequence[list[int]],
    tokens: int,
    adapters: Sequence[Adapter | None] | None = None,
    sampling: Sampling = SAMPLING,
    grammar: str | None = None,
) -> list[list[float]]:
    """Generate for all prompts at once, with no stop token; when each token of each came, in seconds.

    Args:
        adapters: of each prompt; None is the same as none for all.
        grammar: of all answers, which may be cut before they fit: then the last token is none.
    """

    async def stream(ids: list[int], adapter: Adapter | None) -> list[float]:
        request = GenerationRequest(
            prompt_ids=ids, max_tokens=tokens, sampling=sampling, adapter=adapter, grammar=grammar
        )
        times = []
        with suppress(ConstraintNotMet):
            async with aclosing(engine.generate(request)) as made:
                async for _ in made:
                    times.append(time.perf_counter())
        return times

    pairs = zip(prompts, adapters or [None] * len(prompts), strict=True)
    return list(await asyncio.gather(*(stream(ids, adapter) for ids, adapter in pairs)))


def random_prompt(length: int) -> list[int]:
    """Random token ids; never the same twice, so no cached prefix helps."""
    return [int(token) for token in np.random.default_rng().integers(300, 32000, length)]
