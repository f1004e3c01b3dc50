"""An engine in a child process, as the rest of Fireside sees it.

A crash costs the running generations one clean error; the process is started again, with growing pauses while it keeps
crashing. Closing gives all its memory back.
"""

import asyncio
import itertools
import logging
import sys
from collections.abc import AsyncIterator

from fireside import errors
from fireside.engine.messages import (
    HEADER,
    AskStats,
    Cancel,
    EngineOptions,
    FromEngine,
    GenerationFailed,
    Load,
    LoadFailed,
    Loading,
    Ready,
    Stats,
    Submit,
    ToEngine,
    Tokens,
    encode_frame,
    frame_length,
    from_engine_decoder,
)
from fireside.engine.protocol import Progress
from fireside.engine.types import EngineInfo, EngineStats, GenerationRequest, Token

log = logging.getLogger("fireside.engine")

FIRST_PAUSE = 0.2
LONGEST_PAUSE = 30.0

_Inbox = asyncio.Queue[Token | errors.FiresideError]


class ProcessEngine:
    """Implements `fireside.engine.protocol.Engine`.

    Args:
        options: what the process is to load.
        queue_size: generations that may wait for a slot; one more raises Busy.
    """

    def __init__(self, options: EngineOptions, queue_size: int = 512) -> None:
        self._options = options
        self._queue_size = queue_size
        self._numbers = itertools.count(1)
        self._running: dict[int, _Inbox] = {}
        self._stats_waiters: list[asyncio.Future[EngineStats]] = []
        self._process: asyncio.subprocess.Process | None = None
        self._supervisor: asyncio.Task[None] | None = None
        self._ready: asyncio.Future[EngineInfo] | None = None
        self._progress: Progress | None = None
        self._pause = FIRST_PAUSE

    @property
    def pid(self) -> int | None:
        """Process id while the engine process lives."""
        return self._process.pid if self._process and self._process.returncode is None else None

    async def start(self, progress: Progress | None = None) -> EngineInfo:
        """See `Engine.start`."""
        self._progress = progress
        self._ready = asyncio.get_running_loop().create_future()
        self._supervisor = asyncio.create_task(self._supervise(), name="engine supervisor")
        return await asyncio.shield(self._ready)

    async def generate(self, request: GenerationRequest) -> AsyncIterator[Token]:
        """See `Engine.generate`."""
        info = await self._loaded()
        if len(request.prompt_ids) + request.max_tokens > info.context_length:
            raise errors.ContextOverflow(len(request.prompt_ids), request.max_tokens, info.context_length)
        self._admit(request, info)
        number = next(self._numbers)
        inbox: _Inbox = asyncio.Queue()
        self._running[number] = inbox
        finished = False
        try:
            self._send(Submit(number, request))
            while not finished:
                item = await inbox.get()
                if isinstance(item, errors.FiresideError):
                    finished = True
                    raise item
                finished = item.finish_reason is not None
                yield item
        finally:
            self._running.pop(number, None)
            if not finished:
                self._send(Cancel(number))

    async def stats(self) -> EngineStats:
        """See `Engine.stats`."""
        await self._loaded()
        waiter: asyncio.Future[EngineStats] = asyncio.get_running_loop().create_future()
        self._stats_waiters.append(waiter)
        self._send(AskStats())
        return await waiter

    async def close(self) -> None:
        """See `Engine.close`."""
        if self._supervisor:
            self._supervisor.cancel()
            await asyncio.gather(self._supervisor, return_exceptions=True)
        await self._end_process()
        self._fail_running("The engine was stopped.")

    async def _loaded(self) -> EngineInfo:
        if self._ready is None:
            raise errors.EngineFailed("The engine was not started.")
        return await asyncio.shield(self._ready)

    def _admit(self, request: GenerationRequest, info: EngineInfo) -> None:
        waiting = len(self._running) - info.slots
        if waiting >= (self._queue_size if request.wait else 0):
            held = f"{len(self._running)} requests are running or waiting for {info.slots} slots"
            raise errors.Busy(f"The model is at capacity: {held}. Try again later.")

    def _send(self, message: ToEngine) -> None:
        process = self._process
        if process and process.returncode is None and process.stdin and not process.stdin.is_closing():
            process.stdin.write(encode_frame(message))

    async def _supervise(self) -> None:
        """Run the process; run it again when it is lost. Ends when loading itself is refused."""
        while True:
            failure = await self._run_once()
            assert self._ready is not None
            if failure is not None and not self._ready.done():
                self._ready.set_exception(failure)
                self._ready.exception()  # marks it as seen: nobody may be waiting
                return
            self._fail_running(
                "The engine process ended while it worked on this request. It is being restarted; send it again."
            )
            if self._ready.done():
                self._ready = asyncio.get_running_loop().create_future()
            log.warning("engine process lost; restarting in %.1f s", self._pause)
            await asyncio.sleep(self._pause)
            self._pause = min(self._pause * 2, LONGEST_PAUSE)

    async def _run_once(self) -> errors.FiresideError | None:
        """One life of the process. Returns the error when it refused to load, None when it was lost."""
        # -P keeps the working directory off the module path: nothing there can stand in for our modules.
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",
            "-m",
            "fireside.engine.host",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        self._send(Load(self._options))
        stdout = self._process.stdout
        assert stdout is not None
        try:
            while True:
                header = await stdout.readexactly(HEADER.size)
                message = from_engine_decoder.decode(await stdout.readexactly(frame_length(header)))
                if isinstance(message, LoadFailed):
                    kind = getattr(errors, message.error, errors.EngineFailed)
                    failed: errors.FiresideError = kind(message.message)
                    return failed
                self._deliver(message)
        except (asyncio.IncompleteReadError, ConnectionResetError):
            return None
        finally:
            await self._end_process()

    def _deliver(self, message: FromEngine) -> None:
        match message:
            case Tokens(items):
                self._pause = FIRST_PAUSE
                for number, token in items:
                    if inbox := self._running.get(number):
                        inbox.put_nowait(token)
            case GenerationFailed(number, text):
                if inbox := self._running.get(number):
                    inbox.put_nowait(errors.EngineFailed(text))
            case Loading(phase, done, total):
                if self._progress:
                    self._progress(phase, done, total)
            case Ready(info):
                assert self._ready is not None
                if not self._ready.done():
                    self._ready.set_result(info)
            case Stats(stats):
                waiters, self._stats_waiters = self._stats_waiters, []
                for waiter in waiters:
                    if not waiter.done():
                        waiter.set_result(stats)

    def _fail_running(self, text: str) -> None:
        for inbox in self._running.values():
            inbox.put_nowait(errors.EngineLost(text))
        waiters, self._stats_waiters = self._stats_waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_exception(errors.EngineLost(text))

    async def _end_process(self) -> None:
        process = self._process
        if process is None:
            return
        if process.stdin:
            process.stdin.close()  # the host ends itself when its input ends
        try:
            await asyncio.wait_for(process.wait(), timeout=5)
        except TimeoutError:
            process.kill()
            await process.wait()
