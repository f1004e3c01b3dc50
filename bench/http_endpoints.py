"""What the HTTP part asks: `fireside serve`, llama.cpp's own server, and Fireside's engine without a server between."""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any, Protocol, TypeVar

from bench.fireside_engine import SAMPLING, running_engine
from bench.http_client import Answer, ask, get_json
from bench.peers.command import end_of
from bench.server_process import free_port, running_server
from bench.workload import Unavailable
from fireside.engine.onnx.options import OnnxOptions
from fireside.engine.protocol import Engine
from fireside.engine.types import GenerationRequest
from fireside.prompting import open_tokenizer

_START_SECONDS = 300.0
_IDLE_SECONDS = 120.0
_MODEL_ID = "@hf/bench/model"


class Session(Protocol):
    """Something that runs and answers."""

    async def ask(self, prompt: str, tokens: int) -> Answer:
        """Continue the text greedily for this many tokens."""
        ...


S = TypeVar("S", bound=Session)


class Endpoint(Protocol):
    """Something that can be started."""

    @property
    def name(self) -> str: ...

    def open(self) -> Any:
        """An async context manager with a `Session`. Raises Unavailable."""
        ...


class FiresideServer:
    """`fireside serve` as a user runs it, with a catalog file for the model.

    Args:
        model: folder with the weights and the tokenizer, or with one GGUF file.
        max_num_seqs: the catalog file's; the default of 16 would let further streams wait.
    """

    name = "fireside serve"

    def __init__(self, work: Path, model: Path, max_num_seqs: int, context_length: int, threads: int) -> None:
        self._data = work / "fireside-server"
        self._model = model
        self._max_num_seqs = max_num_seqs
        self._options = ["--context-length", str(context_length), "--threads", str(threads)]
        self._log = work / "logs" / "fireside-server.log"

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Session]:
        catalog = self._data / "catalog"
        catalog.mkdir(parents=True, exist_ok=True)
        (catalog / "bench.toml").write_text(_catalog_file(self._model, self._max_num_seqs))
        port = free_port()
        arguments = [sys.executable, "-m", "fireside", "serve", _MODEL_ID, "--no-pull", "--port", str(port)]
        arguments += ["--data-dir", str(self._data), *self._options]
        path = f"/client/v4/accounts/bench/ai/run/{_MODEL_ID}"
        async with running_server(arguments, self._log):
            yield await _answering(_Firesides(port, path), self._log)


class _Firesides:
    def __init__(self, port: int, path: str) -> None:
        self._port = port
        self._path = path

    async def ask(self, prompt: str, tokens: int) -> Answer:
        body = {
            "prompt": prompt,
            "raw": True,
            "stream": True,
            "max_tokens": tokens,
            "temperature": SAMPLING.temperature,
        }
        return await ask(self._port, self._path, body)


class LlamaServer:
    """llama.cpp's server, with a slot for each stream and continuous batching (its default).

    Args:
        users_caches: its caches of prompts are as they are unless told otherwise, instead of off.
        log_name: tells servers apart that run side by side.
    """

    name = "llama-server"

    def __init__(
        self,
        work: Path,
        program: Path,
        model: Path,
        max_num_seqs: int,
        context_length: int,
        threads: int,
        *,
        users_caches: bool = False,
        log_name: str = "llama-server",
    ) -> None:
        self._log = work / "logs" / f"{log_name}.log"
        self._users_caches = users_caches
        self._arguments = [str(program), "-m", str(model), "-t", str(threads), "-np", str(max_num_seqs)]
        self._arguments += ["-c", str(max_num_seqs * context_length), "--no-kv-unified"]
        self._arguments += [] if users_caches else ["--cache-ram", "0"]

    @asynccontextmanager
    async def open(self) -> AsyncIterator["LlamaSession"]:
        port = free_port()
        async with running_server([*self._arguments, "--port", str(port)], self._log):
            yield await _answering(LlamaSession(port, cache_prompt=self._users_caches), self._log)


class LlamaSession:
    """A `Session` with llama.cpp's server, which takes token ids, too."""

    def __init__(self, port: int, *, cache_prompt: bool) -> None:
        self._port = port
        self._cache_prompt = cache_prompt

    async def ask(self, prompt: str | Sequence[int], tokens: int, on_first: Callable[[], None] | None = None) -> Answer:
        body = {"prompt": prompt, "n_predict": tokens, "temperature": SAMPLING.temperature, "stream": True}
        body |= {"ignore_eos": True, "cache_prompt": self._cache_prompt}
        return await ask(self._port, "/completion", body, on_first)

    async def until_idle(self) -> None:
        """Wait until the server has noticed that nobody waits for its answers any more. Raises Unavailable if never."""
        deadline = time.monotonic() + _IDLE_SECONDS
        while time.monotonic() < deadline:
            if not any(slot["is_processing"] for slot in await get_json(self._port, "/slots")):
                return
            await asyncio.sleep(0.05)
        raise Unavailable(f"llama-server was still busy {_IDLE_SECONDS:.0f} s after its last request")


class FiresideEngine:
    """The engine process that `fireside serve` would start, asked directly."""

    name = "Fireside, no HTTP"

    def __init__(self, work: Path, model: Path, max_num_seqs: int, context_length: int, threads: int) -> None:
        self._model = model
        self._options = OnnxOptions(
            model_path=str(model),
            cache_dir=str(work / "fireside-server" / "cache"),
            context_length=context_length,
            max_num_seqs=max_num_seqs,
            threads=threads,
        )

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Session]:
        async with running_engine(self._options) as (engine, _):
            yield _Direct(engine, self._model)


class _Direct:
    def __init__(self, engine: Engine, model: Path) -> None:
        self._engine = engine
        self._tokenizer = open_tokenizer(model)

    async def ask(self, prompt: str, tokens: int) -> Answer:
        began = time.perf_counter()
        ids = self._tokenizer.encode(prompt, control=True)
        request = GenerationRequest(prompt_ids=ids, max_tokens=tokens, sampling=SAMPLING)
        async with aclosing(self._engine.generate(request)) as made:
            times = [time.perf_counter() async for _ in made]
        return Answer(began, times[0], times[-1], len(times))


def _catalog_file(model: Path, max_num_seqs: int) -> str:
    return f"""id = "{_MODEL_ID}"
uuid = "6b52ec3e-5d9c-4a05-9a3e-0d0f9a3f9a54"
description = "The benchmark's model."
context_length = 8192
source = {{ kind = "folder", path = {json.dumps(str(model.absolute()))} }}
prompt = {{ style = "plain" }}
engine = {{ kind = "onnx", max_num_seqs = {max_num_seqs} }}
"""


async def _answering(session: S, log: Path) -> S:
    """The session, once it has answered a first request. Raises Unavailable when that takes too long."""
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            await session.ask("Once upon a time", 2)
        except (OSError, Unavailable) as error:
            if time.monotonic() > deadline:
                raise Unavailable(f"{error}; {end_of(log)}") from error
            await asyncio.sleep(0.2)
        else:
            return session
