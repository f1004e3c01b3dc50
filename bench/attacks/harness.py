"""A real server with two accounts; what the quiet one sees while the other attacks, and what it costs the server."""

import asyncio
import json
import os
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from bench.attacks.catalogue import ON_JSON
from bench.attacks.target import Target, ask
from bench.memory import descendants, read_memory
from fireside.store.store import Store

_START_SECONDS = 60.0
_AFTER_SECONDS = 30.0
_PAUSE = 0.02
_ROOT = Path(__file__).parents[2]
SMALL = b'{"prompt": "hello there", "max_tokens": 8}'
SMALL_JSON = json.dumps(
    {
        "prompt": "hello there",
        "max_tokens": 40,
        "response_format": {
            "type": "json_schema",
            "json_schema": {
                "type": "object",
                "properties": {"name": {"type": "string", "maxLength": 8}},
                "required": ["name"],
            },
        },
    }
).encode()


@dataclass(frozen=True, slots=True)
class Views:
    """A server as each account sees it."""

    quiet: Target
    attacker: Target
    log: Path


@dataclass(slots=True)
class Seen:
    """What was measured. Milliseconds and MB (millions of bytes).

    Args:
        alone, during: the quiet account's small requests.
        health: GET /health during the attack.
        statuses: the quiet account's answers during the attack.
        attack: what the attacker got.
        idle, peak, after: resident memory of the server and its engines.
    """

    alone: list[float]
    during: list[float] = field(default_factory=list)
    health: list[float] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)
    attack: Counter[str] = field(default_factory=Counter)
    idle: float = 0.0
    peak: float = 0.0
    after: float = 0.0

    @property
    def ratio(self) -> float:
        """How many times slower the quiet account's median is."""
        return statistics.median(self.during) / statistics.median(self.alone)


@contextmanager
def attacked_server(
    folder: Path,
    settings: Mapping[str, str] | None = None,
    prefix: Sequence[str] = (),
    model: str = "@hf/fireside/echo",
) -> Iterator[Views]:
    """`fireside serve` in a process of its own, ended at the end.

    Args:
        folder: its data folder; its output goes to server.log there.
        settings: environment variables.
        prefix: words before the command, like `prlimit --nofile=1024`.
        model: what it loads and is asked for.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with Store(folder / "fireside.db") as store:
        tokens = {account: store.create_token(account, "attacks")[0] for account in ("quiet", "attacker")}
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FIRESIDE_")}
    command = [*prefix, sys.executable, "-P", "-m", "fireside", "serve", model, "--no-pull", "--port", "0"]
    log = folder / "server.log"
    with (
        log.open("wb") as errors,
        subprocess.Popen(
            [*command, "--data-dir", str(folder)],
            env={**kept, **(settings or {})},
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        ) as process,
    ):
        try:
            port = _port(process)
            quiet, attacker = (
                Target("127.0.0.1", port, account, token, model, process.pid) for account, token in tokens.items()
            )
            _wait_until_ready(quiet)
            yield Views(quiet, attacker, log)
        finally:
            process.terminate()
            process.wait(timeout=_START_SECONDS)


def observe(views: Views, attack: str, seconds: float, *, requests: int = 40, settle: bool = True) -> Seen:
    """Measure the quiet account alone, then during the attack, then wait for the memory to come back.

    Args:
        requests: that the quiet account makes beforehand.
        settle: else nobody waits for the memory.
    """
    return asyncio.run(_observe(views, attack, seconds, requests, settle))


async def _observe(views: Views, attack: str, seconds: float, requests: int, settle: bool) -> Seen:
    quiet, small = views.quiet, SMALL_JSON if attack in ON_JSON else SMALL
    statuses: Counter[str] = Counter()
    await _small_requests(quiet, small, requests // 4, statuses)  # warms what is made once
    seen = Seen(await _small_requests(quiet, small, requests, statuses), idle=memory_mb(quiet.pid))
    statuses.clear()
    with _peak(quiet.pid) as peak:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bench.attacks", attack, str(seconds)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=_ROOT,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(asdict(views.attacker)).encode())
        process.stdin.close()
        await process.stdout.readline()  # it begins
        talk = asyncio.create_task(process.stdout.read())
        while not (seen.during and talk.done()):
            await asyncio.sleep(_PAUSE)
            seen.during += await _small_requests(quiet, small, 1, statuses)
            seen.health += [await _timed(quiet, quiet.request("GET", "/health"), statuses)]
        output = await talk
        await process.wait()
    seen.statuses, seen.peak = statuses, peak[0]
    seen.attack = Counter(json.loads(output))
    seen.after = await _settled(quiet.pid, seen.idle) if settle else memory_mb(quiet.pid)
    return seen


async def _small_requests(quiet: Target, small: bytes, count: int, statuses: Counter[str]) -> list[float]:
    raw = quiet.request("POST", quiet.run, small)
    times = []
    for _ in range(count):
        await asyncio.sleep(_PAUSE)
        times.append(await _timed(quiet, raw, statuses))
    return times


async def _timed(target: Target, raw: bytes, statuses: Counter[str]) -> float:
    began = time.perf_counter()
    status, _ = await ask(target, raw)
    statuses[status] += 1
    return (time.perf_counter() - began) * 1000


async def _settled(pid: int, idle: float) -> float:
    """Memory once it is near what it was, or after a while."""
    deadline = time.monotonic() + _AFTER_SECONDS
    while (now := memory_mb(pid)) > idle + 50 and time.monotonic() < deadline:  # noqa: ASYNC110  (nobody tells)
        await asyncio.sleep(0.5)
    return now


def memory_mb(pid: int) -> float:
    """Resident memory of a process and its descendants."""
    found = [memory for one in (pid, *descendants(pid)) if (memory := read_memory(one))]
    return sum(memory.resident for memory in found) / 1e6


@contextmanager
def _peak(pid: int) -> Iterator[list[float]]:
    peak, done = [0.0], threading.Event()

    def sample() -> None:
        while not done.wait(0.05):
            peak[0] = max(peak[0], memory_mb(pid))

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield peak
    finally:
        done.set()
        thread.join()


def _port(process: subprocess.Popen[str]) -> int:
    assert process.stdout is not None
    for line in process.stdout:
        if "listens on " in line:
            threading.Thread(target=process.stdout.read, daemon=True).start()
            return int(line.rpartition(":")[2])
    raise AssertionError("the server did not start")


def _wait_until_ready(target: Target) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while asyncio.run(ask(target, target.request("POST", target.run, SMALL)))[0] != "200":
        assert time.monotonic() < deadline, "the server does not answer"
        time.sleep(0.1)
