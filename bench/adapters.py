"""LoRA adapters: what they cost a batch, and how long a first use waits."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.adapter_files import adapter_bytes, write_adapter, write_gguf_adapter
from bench.fireside_engine import SAMPLING, EngineContender, random_prompt, run_streams, running_engine
from bench.http_client import ask
from bench.model import make_once
from bench.peers.command import end_of
from bench.peers.llama_cpp import LlamaCpp
from bench.peers.vllm_cpu import VllmCpu
from bench.rounds import Row, Value
from bench.server_process import free_port, running_server
from bench.workload import Unavailable
from fireside.engine.protocol import Engine
from fireside.engine.types import Adapter
from fireside.weights.checkpoint import ModelConfig

RANKS = (8, 32)
STREAMS = 8
DISTINCT = (0, 1, STREAMS)
_PROMPT_TOKENS = 2  # what counts is decoding
_CONTEXT = 512
_START_SECONDS = 600.0


@dataclass(slots=True)
class AdapterTurn:
    """What one engine did in one round.

    Args:
        rates: tokens per second of all streams together, by rank and number of distinct adapters.
        first_use: seconds that a first use waits longer than a request without adapter, by rank and whether the
            adapter's file was in the system's cache.
    """

    rates: dict[tuple[int, int], float] = field(default_factory=dict)
    first_use: dict[tuple[int, bool], float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AdapterWork:
    """What everybody runs: a base of this shape, answers of so many tokens."""

    work: Path
    config: ModelConfig
    tokens: int
    threads: int

    def folders(self, rank: int) -> list[Path]:
        """PEFT's files of one adapter for each stream and two more, made when they are not there."""
        return [self._made(rank, seed, "peft", write_adapter) for seed in range(STREAMS + 2)]

    def gguf_files(self, rank: int) -> list[Path]:
        """llama.cpp's file of one adapter for each stream."""
        return [self._made(rank, seed, "gguf", write_gguf_adapter) for seed in range(STREAMS)]

    def _made(self, rank: int, seed: int, kind: str, write: Any) -> Path:
        path = self.work / "adapters" / f"{self.config.layers}-layers-rank-{rank}-{seed}.{kind}"
        return make_once(path, adapter_bytes(self.config, rank), lambda to: write(to, self.config, rank, seed))


class FiresideAdapters(EngineContender[AdapterWork, AdapterTurn]):
    """Each rank: first uses, then all streams with none, one and several adapters."""

    async def _take_turn(self, work: AdapterWork, first: bool) -> AdapterTurn:
        turn = AdapterTurn()
        # float32, and each fused linear's parts side by side: up to three times two times the file.
        memory = 3 * 2 * (STREAMS + 2) * sum(adapter_bytes(work.config, rank) for rank in RANKS)
        options = self._options(
            context_length=_CONTEXT,
            max_num_seqs=STREAMS,
            threads=work.threads,
            adapter_memory=memory,
        )
        async with running_engine(options) as (engine, _):
            await run_streams(engine, [random_prompt(_PROMPT_TOKENS)], 2)
            for rank in RANKS:
                folders = await asyncio.to_thread(work.folders, rank)
                for cached in (False, True):
                    turn.first_use[rank, cached] = await _first_use(engine, folders.pop(), cached)
                adapters = [Adapter(str(folder), str(folder)) for folder in folders]
                await _time_streams(engine, adapters, 2)  # loads them all
                for distinct in DISTINCT:
                    chosen = [adapters[index % distinct] if distinct else None for index in range(STREAMS)]
                    seconds = await _time_streams(engine, chosen, work.tokens)
                    turn.rates[rank, distinct] = STREAMS * work.tokens / seconds
        return turn


async def _time_streams(engine: Engine, adapters: Sequence[Adapter | None], tokens: int) -> float:
    prompts = [random_prompt(_PROMPT_TOKENS) for _ in adapters]
    began = time.perf_counter()
    times = await run_streams(engine, prompts, tokens, adapters)
    return max(stream[-1] for stream in times) - began


async def _first_use(engine: Engine, folder: Path, cached: bool) -> float:
    """How much longer the first token takes with an adapter that the engine has never seen."""

    async def first_token(adapter: Adapter | None) -> float:
        return await _time_streams(engine, [adapter], 1)

    await asyncio.to_thread(_read if cached else _drop_from_cache, folder / "adapter_model.safetensors")
    plain = await first_token(None)
    return await first_token(Adapter(str(folder), str(folder))) - plain


def _read(path: Path) -> None:
    path.read_bytes()


def _drop_from_cache(path: Path) -> None:
    """Make the next read come from the disk. Raises Unavailable where the system has no way to."""
    if not hasattr(os, "posix_fadvise"):
        raise Unavailable("this system cannot drop a file from its cache")
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


class LlamaAdapters:
    """llama.cpp's server: all adapters loaded at its start, each request naming its own.

    Requests with different adapters do not share a step there, so it swaps from one to the next.

    Args:
        base: knows the programs and the base's file.
    """

    def __init__(self, work: Path, base: LlamaCpp) -> None:
        self.name = f"llama-server {base.name.removeprefix('llama.cpp ')}"
        self._log = work / "logs" / "llama-server-adapters.log"
        self._base = base

    def prepare(self) -> None:
        self._base.prepare()

    def take_turn(self, work: AdapterWork, first: bool) -> AdapterTurn:
        return asyncio.run(self._take_turn(work))

    async def _take_turn(self, work: AdapterWork) -> AdapterTurn:
        turn = AdapterTurn()
        for rank in RANKS:
            async with self._server(work, await asyncio.to_thread(work.gguf_files, rank)) as port:
                for distinct in DISTINCT:
                    chosen = [[{"id": index % distinct, "scale": 1.0}] if distinct else [] for index in range(STREAMS)]
                    began = time.perf_counter()
                    answers = await asyncio.gather(*(_complete(port, work.tokens, lora) for lora in chosen))
                    turn.rates[rank, distinct] = sum(answers) / (time.perf_counter() - began)
        return turn

    @asynccontextmanager
    async def _server(self, work: AdapterWork, adapters: Sequence[Path]) -> AsyncIterator[int]:
        port = free_port()
        arguments = [str(self._base.server), "-m", str(self._base.model), "-t", str(work.threads), "-np", str(STREAMS)]
        arguments += ["-c", str(STREAMS * _CONTEXT), "--no-kv-unified", "--cache-ram", "0", "--port", str(port)]
        arguments += ["--lora-init-without-apply", "--lora", ",".join(map(str, adapters))]
        async with running_server(arguments, self._log):
            deadline = time.monotonic() + _START_SECONDS
            while True:
                try:
                    await _complete(port, 2, [])
                    break
                except (OSError, Unavailable) as error:
                    if time.monotonic() > deadline:
                        raise Unavailable(f"{error}; {end_of(self._log)}") from error
                    await asyncio.sleep(0.2)
            yield port


class VllmAdapters:
    """vLLM on the very same files. It keeps every adapter of a rank in memory from its first use on.

    Args:
        base: knows the environment and the model.
    """

    def __init__(self, base: VllmCpu) -> None:
        self.name = base.name
        self._base = base

    def prepare(self) -> None:
        self._base.prepare()

    def take_turn(self, work: AdapterWork, first: bool) -> AdapterTurn:
        turn = AdapterTurn()
        task = {
            "context_length": _CONTEXT,
            "prefill_tokens": STREAMS * _PROMPT_TOKENS,
            "prompt_tokens": _PROMPT_TOKENS,
            "decode_tokens": work.tokens,
            "batches": [STREAMS],
            "adapters": {rank: [str(folder) for folder in work.folders(rank)[:STREAMS]] for rank in RANKS},
            "distinct": DISTINCT,
        }
        for _, message in self._base.told(task, work.threads):
            if "rank" in message:
                rate = STREAMS * work.tokens / message["seconds"]
                turn.rates[message["rank"], message["distinct"]] = rate
        return turn


async def _complete(port: int, tokens: int, lora: list[dict[str, float]]) -> int:
    body = {
        "prompt": random_prompt(_PROMPT_TOKENS),
        "n_predict": tokens,
        "temperature": SAMPLING.temperature,
        "stream": True,
    }
    answer = await ask(port, "/completion", {**body, "ignore_eos": True, "cache_prompt": False, "lora": lora})
    return answer.tokens


def adapter_rows() -> list[Row[AdapterTurn]]:
    """What is told of adapters."""

    def rate(rank: int, distinct: int) -> Value[AdapterTurn]:
        return lambda turn: turn.rates.get((rank, distinct))

    def share(rank: int, distinct: int) -> Value[AdapterTurn]:
        return lambda turn: 100 * turn.rates[rank, distinct] / turn.rates[rank, 0] if turn.rates else None

    def wait(rank: int, cached: bool) -> Value[AdapterTurn]:
        return lambda turn: turn.first_use.get((rank, cached))

    rows: list[Row[AdapterTurn]] = []
    for rank in RANKS:
        for distinct in DISTINCT:
            rows.append((f"rank {rank}, {distinct} adapters (tokens/s)", rate(rank, distinct), True))
            if distinct:
                rows.append(("  of the base's (%)", share(rank, distinct), False))
        for cached, where in ((False, "on disk"), (True, "in the system's cache")):
            rows.append((f"rank {rank}, first use waits, file {where} (s)", wait(rank, cached), False))
    return rows
