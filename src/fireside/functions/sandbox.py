"""Foreign JavaScript, run where it can do no harm: as the rest of Fireside sees it.

Each call has a process of its own, with an empty environment and nothing but two pipes, and a JavaScript engine inside
WebAssembly in there (`machine.py`). The kernel counts its processor time, and here is a stop-watch besides.
"""

import asyncio
import contextlib
import json
import os
import signal
import sys
from dataclasses import dataclass

import msgspec

from fireside import child
from fireside.errors import EngineFailed
from fireside.functions.messages import MAX_RESULT_BYTES, Failed, Job, Outcome, Returned, encode, outcome_decoder

PATIENCE = 60.0 if sys.platform == "win32" else 300.0
"""Seconds on the wall clock that a call may take besides ten times its processor time: a machine may be so busy that
starting alone takes long. On Windows nothing else ends a loop."""

COMPILE_PATIENCE = 300.0

_MAX_ENGINE_BYTES = 64 * 1024 * 1024
_LAST_WORDS_SECONDS = 5.0
_READ_SIZE = 1 << 16
_OUT_OF_TIME = {getattr(signal, name, None) for name in ("SIGPROF", "SIGXCPU")} - {None}


@dataclass(frozen=True, slots=True)
class Limits:
    """What a call may use.

    Args:
        seconds: most processor time.
        memory_bytes: most memory of the JavaScript engine, with all its objects.
        result_bytes: most bytes of the result's JSON text.
    """

    seconds: float
    memory_bytes: int
    result_bytes: int = MAX_RESULT_BYTES


class Sandbox:
    """Runs functions. Use it from one event loop.

    Args:
        seconds: most processor time of a call.
        memory_mb: most memory of a call's JavaScript engine, in MiB.
    """

    def __init__(self, seconds: float, memory_mb: int) -> None:
        self._limits = Limits(seconds, memory_mb * 1024 * 1024)
        self._engine: bytes | None = None
        self._compiling = asyncio.Lock()
        self._places = asyncio.Semaphore(os.cpu_count() or 1)

    async def call(self, name: str, code: str, arguments: tuple[str | None, ...]) -> Outcome:
        """Call a function once, in an engine that has seen nothing else.

        Args:
            name: the function's name.
            code: JavaScript: a function expression, or statements that declare a function of that name.
            arguments: one JSON text per parameter; None is undefined.

        Raises:
            EngineFailed: the JavaScript engine could not be compiled. Whatever the code does is an outcome.
        """
        outcome = await self.run(name, code, arguments, self._limits)
        return _plain(outcome.json) if isinstance(outcome, Returned) else outcome

    async def run(self, name: str, code: str, arguments: tuple[str | None, ...], limits: Limits) -> Outcome:
        """The same with other limits, and a result that is a text as the process sent it, perhaps no JSON at all."""
        job = Job(
            engine=await self._compiled(),
            name=name,
            code=code,
            arguments=arguments,
            seconds=limits.seconds,
            memory_bytes=limits.memory_bytes,
            result_bytes=limits.result_bytes,
        )
        patience = PATIENCE + 10 * limits.seconds
        async with self._places:
            try:
                status, answer = await _run_host((), encode(job), 2 * limits.result_bytes, patience)
            except TimeoutError:
                return Failed("limit", f"The function was not done within {patience:g} seconds.")
        if status != 0:
            return _death(status, limits.seconds)
        try:
            return outcome_decoder.decode(answer)
        except msgspec.DecodeError:
            return Failed("crash", "The sandbox of the function sent something that could not be read.")

    async def _compiled(self) -> bytes:
        """The JavaScript engine in machine code, made once. It stays in memory: a file could be tampered with."""
        async with self._compiling:
            if self._engine is None:
                try:
                    status, compiled = await _run_host(("compile",), b"", _MAX_ENGINE_BYTES, COMPILE_PATIENCE)
                except TimeoutError:
                    status, compiled = -1, b""
                if status != 0 or not compiled:
                    raise EngineFailed("The sandbox for functions cannot be made: standard error says why.")
                self._engine = compiled
            return self._engine


def _death(status: int, seconds: float) -> Failed:
    """What the exit status of a process says that has no outcome."""
    if -status in _OUT_OF_TIME:
        return Failed("limit", f"The function took more than {seconds:g} seconds of processor time.")
    return Failed("crash", f"The sandbox of the function ended with status {status}.")


def _plain(text: str) -> Outcome:
    """JSON text on one line, with nothing in it that other readers stumble over: half characters, endless depth.

    It comes from a process that ran foreign code, so that it is taken for JSON only once it has been read as such.
    """
    try:
        again = json.dumps(json.loads(text), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (ValueError, RecursionError):
        return Failed(
            "exception", "The function returned JSON that is nested too deeply, or a number too large for it."
        )
    # JavaScript's half characters become U+FFFD; halves that belong together become one.
    return Returned(again.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace"))


async def _run_host(arguments: tuple[str, ...], job: bytes, most: int, seconds: float) -> tuple[int, bytes]:
    """Run the sandbox process from beginning to end: its exit status and what it wrote.

    A process that writes more than `most` bytes is killed. Raises TimeoutError, when the process has been killed.
    """
    process = await asyncio.create_subprocess_exec(
        *child.command("fireside.functions.host", *arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env=child.environment(),
    )
    try:
        async with asyncio.timeout(seconds):
            assert process.stdin is not None
            process.stdin.write(job)
            process.stdin.close()
            return await _output(process, most)
    finally:
        if process.returncode is None:
            _kill(process)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LAST_WORDS_SECONDS):
                    await _output(process, 0)


async def _output(process: asyncio.subprocess.Process, most: int) -> tuple[int, bytes]:
    """Exit status and output, which is read to its end: asyncio needs to see that before the process's own."""
    assert process.stdout is not None
    kept = bytearray()
    while piece := await process.stdout.read(_READ_SIZE):
        if len(kept) + len(piece) > most:
            _kill(process)
        else:
            kept += piece
    return await process.wait(), bytes(kept)


def _kill(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.kill()
