"""An engine in a child process, as the rest of Fireside sees it.

A crash costs the running generations one clean error; the process is started again, with growing pauses while it keeps
crashing. One that never loaded is not started again: that is for the caller to decide. Closing gives all its memory
back.
"""

import asyncio
import contextlib
import itertools
import logging
import os
import signal
import sys
from collections.abc import AsyncGenerator
from typing import Any

import msgspec

from fireside import child, errors
from fireside.engine.engine_type import EngineType
from fireside.engine.error_codec import copy_error, decode_error
from fireside.engine.messages import (
    HEADER,
    AskStats,
    Cancel,
    FromEngine,
    GenerationFailed,
    Load,
    LoadFailed,
    Loading,
    Ready,
    Stats,
    Submit,
    Taken,
    ToEngine,
    Tokens,
    encode_frame,
    frame_length,
    from_engine_decoder,
)
from fireside.engine.options import EngineOptions
from fireside.engine.protocol import Progress
from fireside.engine.types import EngineInfo, EngineStats, GenerationRequest, Token

logger = logging.getLogger(__name__)

HUGE_PAGES = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}
"""Weights in huge pages are quicker to allocate and to read. Other C libraries than glibc do not look at it."""

MIN_RESTART_DELAY = 0.2
MAX_RESTART_DELAY = 30.0
"""Seconds between an engine's end and its next start."""

PATIENCE = 5.0
"""Seconds that a process has to end by itself."""

MAX_YIELD = 0.02
"""Seconds."""

READ_SIZE = 1 << 16

_Inbox = asyncio.Queue[Token | errors.FiresideError]


class ProcessEngine:
    """Implements `fireside.engine.protocol.Engine`.

    Args:
        engine: which engine the process is to run.
        options: of the engine's own type.
    """

    def __init__(self, engine: EngineType[Any], options: EngineOptions) -> None:
        self._engine = engine
        self._options = options
        self._numbers = itertools.count(1)
        self._running: dict[int, _Inbox] = {}
        self._stats_waiters: list[asyncio.Future[EngineStats]] = []
        self._process: asyncio.subprocess.Process | None = None
        self._supervisor: asyncio.Task[None] | None = None
        self._ready: asyncio.Future[EngineInfo] | None = None
        self._progress: Progress | None = None
        self._pause = MIN_RESTART_DELAY

    @property
    def _python(self) -> str | None:
        return None if self._engine.python is None else self._engine.python(self._options)

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

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[Token, None]:
        """See `Engine.generate`."""
        await self._loaded()
        request_id = next(self._numbers)
        inbox: _Inbox = asyncio.Queue()
        self._running[request_id] = inbox
        finished = False
        try:
            self._send(Submit(request_id, request))
            while not finished:
                item = await inbox.get()
                if isinstance(item, errors.FiresideError):
                    finished = True
                    raise item
                finished = item.finish_reason is not None
                yield item
        finally:
            self._running.pop(request_id, None)
            if not finished:
                self._send(Cancel(request_id))

    async def stats(self) -> EngineStats:
        """See `Engine.stats`."""
        if self._ready is None or not self._ready.done():
            raise errors.ModelNotReady("The engine process is starting.")
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
        stopped = errors.EngineLost("The engine was stopped.")
        self._fail_waiting_for_load(stopped)
        self._fail_running(stopped)

    async def _loaded(self) -> EngineInfo:
        if self._ready is None:
            raise errors.EngineFailed("The engine was not started.")
        return await asyncio.shield(self._ready)

    def _send(self, message: ToEngine) -> None:
        process = self._process
        if process and process.returncode is None and process.stdin and not process.stdin.is_closing():
            process.stdin.write(encode_frame(message))

    async def _supervise(self) -> None:
        """Run the process; run it again whenever it ends. Ends itself when the very first load fails."""
        loaded_once = False
        while True:
            failure = await self._run_once()
            assert self._ready is not None
            if self._ready.done():
                loaded_once = True
            else:
                self._fail_waiting_for_load(failure)
            if not loaded_once:
                return
            self._ready = asyncio.get_running_loop().create_future()
            self._fail_running(failure)
            logger.warning("%s Starting it again in %.1f s.", failure, self._pause)
            await asyncio.sleep(self._pause)
            self._pause = min(self._pause * 2, MAX_RESTART_DELAY)

    async def _run_once(self) -> errors.FiresideError:
        """One life of the process; returns why it ended."""
        try:
            self._process = process = await asyncio.create_subprocess_exec(
                *child.command("fireside.engine.host", python=self._python),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                start_new_session=True,  # an engine may have processes of its own, which end with it
                env={**HUGE_PAGES, **child.environment(also=self._engine.variables)},
            )
        except OSError as error:
            return errors.EngineFailed(f"The engine process cannot be started: {error.strerror}.")
        except Exception:
            logger.exception("the engine's command cannot be built")
            return errors.EngineFailed("The engine process cannot be started. The server's log says more.")
        self._send(Load(self._engine.kind, msgspec.Raw(msgspec.msgpack.encode(self._options))))
        broken = False
        try:
            # A task of its own: each message would otherwise wake this coroutine and the one around it, too.
            return await asyncio.create_task(self._listen(process), name="engine messages")
        except (asyncio.IncompleteReadError, ConnectionResetError):
            pass
        except Exception:
            # Invalid bytes, or an error in the progress callback: no request may wait forever because of it.
            logger.exception("invalid message from the engine process; stopping it")
            broken = True
            _kill(process)
        finally:
            await self._end_process()
        return self._loss("sent something that could not be handled" if broken else _how_it_ended(process.returncode))

    async def _listen(self, process: asyncio.subprocess.Process) -> errors.FiresideError:
        """Deliver what the process says; returns the error when it refuses to load."""
        stdout = process.stdout
        assert stdout is not None
        while True:
            header = await stdout.readexactly(HEADER.size)
            message = from_engine_decoder.decode(await stdout.readexactly(frame_length(header)))
            if isinstance(message, LoadFailed):
                return decode_error(message.error)
            await self._deliver_in_turn(message)

    async def _deliver_in_turn(self, message: FromEngine) -> None:
        """Deliver, let the receivers do their work, and leave as much time for all else.

        However fast the engine is, its answers take no more than half of the event loop's time; it waits meanwhile.
        """
        loop = asyncio.get_running_loop()
        began = loop.time()
        self._deliver(message)
        await asyncio.sleep(0)
        await asyncio.sleep(min(loop.time() - began, MAX_YIELD))
        if isinstance(message, Tokens):
            self._send(Taken())

    def _loss(self, how: str) -> errors.FiresideError:
        if self._ready is not None and self._ready.done():
            return errors.EngineLost(
                f"The engine process {how} while it worked on this request. It is being restarted; send it again."
            )
        return errors.EngineFailed(f"The engine process {how} while it loaded the model.")

    def _deliver(self, message: FromEngine) -> None:
        match message:
            case Tokens(items):
                self._pause = MIN_RESTART_DELAY
                for request_id, token in items:
                    if inbox := self._running.get(request_id):
                        inbox.put_nowait(token)
            case GenerationFailed(request_id, error):
                if inbox := self._running.get(request_id):
                    inbox.put_nowait(decode_error(error))
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

    def _fail_waiting_for_load(self, error: errors.FiresideError) -> None:
        """Fail whoever waits for the process to be ready, and whoever comes later."""
        if self._ready is None or self._ready.done():
            self._ready = asyncio.get_running_loop().create_future()
        self._ready.set_exception(error)
        self._ready.exception()  # marks it as seen: nobody may be waiting

    def _fail_running(self, error: errors.FiresideError) -> None:
        for inbox in self._running.values():
            inbox.put_nowait(copy_error(error))
        waiters, self._stats_waiters = self._stats_waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_exception(error)

    async def _end_process(self) -> None:
        process = self._process
        if process is None:
            return
        if process.stdin:
            process.stdin.close()  # the host ends itself when its input ends
        try:
            await asyncio.wait_for(_ended(process), timeout=PATIENCE)
        except TimeoutError:
            _kill(process)
            await _ended(process)
        _kill_group(process.pid)


async def _ended(process: asyncio.subprocess.Process) -> None:
    """Wait for the process's end. asyncio sees it only when the output has been read to the last byte."""
    with contextlib.suppress(ConnectionResetError):
        while process.stdout and await process.stdout.read(READ_SIZE):
            pass
    await process.wait()


def _kill(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.kill()


def _kill_group(leader: int) -> None:
    """End what an engine process has left behind: workers of a dead engine would keep a GPU's memory."""
    if sys.platform != "win32":
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(leader, signal.SIGKILL)


def _how_it_ended(code: int | None) -> str:
    if code is None or code >= 0:
        return f"ended with exit status {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = str(-code)
    hint = " (the system may have run out of memory)" if name == "SIGKILL" else ""
    return f"was ended by signal {name}{hint}"
