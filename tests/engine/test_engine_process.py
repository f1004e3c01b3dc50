"""An engine in its child process: whatever happens to that process, everybody gets an answer, and nothing stays."""

import asyncio
import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import msgspec
import psutil
import pytest

from fireside import child
from fireside.engine import process
from fireside.engine.echo import ENGINE as ECHO_TYPE
from fireside.engine.echo import EchoOptions
from fireside.engine.onnx import ENGINE as ONNX_TYPE
from fireside.engine.onnx.options import OnnxOptions
from fireside.engine.options import EngineOptions
from fireside.engine.process import ProcessEngine
from fireside.engine.types import EngineStats, GenerationRequest, Sampling, Token
from fireside.errors import (
    BadGrammar,
    BadWeights,
    ConstraintNotMet,
    EngineFailed,
    EngineLost,
    FiresideError,
    InvalidInput,
    ModelNotDownloaded,
    ModelNotReady,
    UnsupportedWeights,
)
from support.checkpoints import make_tiny_checkpoint
from support.grammars import BYTES, json_grammar, regex_grammar
from support.running import ids, open_runner, run

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.usefixtures("children"),
    pytest.mark.skipif(sys.platform == "win32", reason="signals and /proc"),
]

ECHO = EchoOptions(context_length=4096, max_num_seqs=4)
LIMIT = 30.0
"""Seconds after which a test that hangs fails."""


both_loops = pytest.mark.parametrize(
    "anyio_backend",
    [("asyncio", {"use_uvloop": False}), ("asyncio", {"use_uvloop": True})],
    ids=["asyncio", "uvloop"],
)
"""The server runs on uvloop where it can, whose processes and pipes are others."""


def made(options: EngineOptions = ECHO) -> ProcessEngine:
    return ProcessEngine(ECHO_TYPE if isinstance(options, EchoOptions) else ONNX_TYPE, options)


@asynccontextmanager
async def running(options: EngineOptions = ECHO) -> AsyncIterator[ProcessEngine]:
    engine = made(options)
    async with asyncio.timeout(LIMIT):
        try:
            await engine.start()
            yield engine
        finally:
            await engine.close()


def echo(*, max_num_seqs: int = 4, speed: float = 0.0) -> EngineOptions:
    return EchoOptions(context_length=4096, max_num_seqs=max_num_seqs, tokens_per_second=speed)


def say(text: str = "hello", *, max_tokens: int = 2000) -> GenerationRequest:
    return GenerationRequest(
        prompt_ids=list(text.encode()), max_tokens=max_tokens, sampling=Sampling(temperature=0), stop_ids=[0]
    )


async def collect(engine: ProcessEngine, request: GenerationRequest) -> list[Token]:
    return [token async for token in engine.generate(request)]


async def text_of(engine: ProcessEngine, request: GenerationRequest) -> str:
    return bytes(ids(await collect(engine, request))).rstrip(b"\0").decode()


async def begun(engine: ProcessEngine, request: GenerationRequest) -> "asyncio.Task[list[Token]]":
    """A generation that runs in a task; its first token is there."""
    first = asyncio.Event()

    async def consume() -> list[Token]:
        tokens = []
        async for token in engine.generate(request):
            tokens.append(token)
            first.set()
        return tokens

    task = asyncio.create_task(consume())
    await asyncio.wait([task, asyncio.create_task(first.wait())], return_when=asyncio.FIRST_COMPLETED)
    return task


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - what is waited for knows no events
        await asyncio.sleep(0.005)


def pid_of(engine: ProcessEngine) -> int:
    assert engine.pid is not None
    return engine.pid


# Answers and limits


@both_loops
async def test_a_process_answers_and_ends() -> None:
    engine = made()
    info = await engine.start()
    assert (info.context_length, info.max_num_seqs) == (4096, 4)
    child = psutil.Process(pid_of(engine))
    assert await text_of(engine, say("Wärme ☀")) == "Wärme ☀"
    assert await asyncio.gather(*(text_of(engine, say(f"text {number}")) for number in range(9))) == [
        f"text {number}" for number in range(9)
    ]
    stats = await engine.stats()
    assert stats.generated_tokens == len("Wärme ☀".encode()) + 9 * 6
    assert stats.running == 0
    await engine.close()
    assert engine.pid is None
    assert not child.is_running()
    await engine.close()


async def test_a_token_says_how_the_answer_ended() -> None:
    async with running() as engine:
        assert await collect(engine, say("ab")) == [Token(97), Token(98), Token(0, "stop")]
        assert await collect(engine, say("ab", max_tokens=1)) == [Token(97, "length")]


@both_loops
async def test_closing_the_iterator_frees_the_slot_at_once() -> None:
    async with running(echo(max_num_seqs=1, speed=200)) as engine:
        async with aclosing(engine.generate(say("x" * 1000))) as tokens:
            async for _ in tokens:
                break
        assert (await engine.stats()).running == 0
        assert await text_of(engine, say()) == "hello"


async def test_a_cancelled_task_frees_its_place_in_the_queue() -> None:
    async with running(echo(max_num_seqs=1, speed=200)) as engine:
        first = await begun(engine, say("x" * 1000))
        second = asyncio.create_task(collect(engine, say()))
        await until(lambda: len(engine._running) == 2)
        second.cancel()
        await asyncio.gather(second, return_exceptions=True)
        assert ((await engine.stats()).running, (await engine.stats()).waiting) == (1, 0)
        first.cancel()


async def test_nothing_can_be_asked_of_an_engine_that_was_not_started() -> None:
    engine = made()
    with pytest.raises(EngineFailed, match="not started"):
        await collect(engine, say())
    with pytest.raises(ModelNotReady):
        await engine.stats()
    await engine.close()


# Loss and restart


@both_loops
async def test_killed_in_the_middle_of_answers() -> None:
    async with running(echo(max_num_seqs=2, speed=100)) as engine:
        tasks = [await begun(engine, say("x" * 1000)) for _ in range(2)]
        waiting = asyncio.create_task(collect(engine, say()))
        await until(lambda: len(engine._running) == 3)
        old = pid_of(engine)
        os.kill(old, signal.SIGKILL)
        results = await asyncio.gather(*tasks, waiting, return_exceptions=True)
        assert [type(result) for result in results] == [EngineLost] * 3
        assert len({id(result) for result in results}) == 3
        assert "SIGKILL" in str(results[0])
        assert "send it again" in str(results[0])
        assert await text_of(engine, say("again")) == "again"
        assert engine.pid not in (None, old)


async def test_status_does_not_wait_for_the_restart() -> None:
    async with running() as engine:
        ready = engine._ready
        os.kill(pid_of(engine), signal.SIGKILL)
        await until(lambda: engine._ready is not ready)
        with pytest.raises(ModelNotReady):
            await engine.stats()
        assert await text_of(engine, say()) == "hello"
        assert isinstance(await engine.stats(), EngineStats)


async def test_pauses_grow_while_it_keeps_crashing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    starts = tmp_path / "starts"
    fake_engine(
        tmp_path,
        monkeypatch,
        f"""
        import time
        with open({str(starts)!r}, "a") as file:
            print(time.monotonic(), file=file)
        send(Ready(INFO))
        """,
    )
    monkeypatch.setattr(process, "MIN_RESTART_DELAY", 0.02)
    monkeypatch.setattr(process, "MAX_RESTART_DELAY", 0.08)
    async with running() as engine:
        await until(lambda: starts.exists() and len(starts.read_text().split()) >= 5)
        await engine.close()
    times = [float(line) for line in starts.read_text().split()]
    gaps = [after - before for before, after in itertools.pairwise(times)]
    for gap, pause in zip(gaps, (0.02, 0.04, 0.08, 0.08), strict=False):
        assert gap >= pause


async def test_an_answer_ends_the_growing_of_pauses(caplog: pytest.LogCaptureFixture) -> None:
    async with running() as engine:
        for _ in range(2):
            assert await text_of(engine, say()) == "hello"
            ready = engine._ready
            os.kill(pid_of(engine), signal.SIGKILL)
            await until(lambda ready=ready: engine._ready is not ready)  # type: ignore[misc]
        assert await text_of(engine, say()) == "hello"
    said = [record.message for record in caplog.records if "again in" in record.message]
    assert [message.rsplit(" in ", 1)[1] for message in said] == ["0.2 s.", "0.2 s."]


@both_loops
async def test_close_while_answers_run() -> None:
    async with running(echo(max_num_seqs=1, speed=100)) as engine:
        first = await begun(engine, say("x" * 1000))
        second = asyncio.create_task(collect(engine, say()))
        await until(lambda: len(engine._running) == 2)
        await engine.close()
        for task in (first, second):
            with pytest.raises(EngineLost, match="stopped"):
                await task
        with pytest.raises(EngineLost, match="stopped"):
            await collect(engine, say())
        with pytest.raises(EngineLost, match="stopped"):
            await engine.stats()


async def test_close_while_requests_wait_for_a_restart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "MIN_RESTART_DELAY", 1000.0)
    async with running() as engine:
        ready = engine._ready
        os.kill(pid_of(engine), signal.SIGKILL)
        await until(lambda: engine._ready is not ready)
        waiting = asyncio.create_task(collect(engine, say()))
        await asyncio.sleep(0.01)
        assert not waiting.done()
        await engine.close()
        with pytest.raises(EngineLost, match="stopped"):
            await waiting


@both_loops
async def test_close_with_output_that_nobody_has_read() -> None:
    """asyncio stops reading at 128 KiB, and then never sees that the process has ended."""
    async with running(EchoOptions(context_length=200_000, max_num_seqs=32)) as engine:
        tasks = [await begun(engine, say("x" * 90_000, max_tokens=100_000)) for _ in range(16)]
        time.sleep(0.5)  # noqa: ASYNC251 - the loop must fall behind
        await engine.close()
        results = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(
        isinstance(result, EngineLost) or (isinstance(result, list) and len(result) == 90_001) for result in results
    )


# Bytes from the process


def fake_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str) -> None:
    """A process of another kind in the engine's place, which has read its orders."""
    script = tmp_path / "fake-engine"
    lines = [line.removeprefix("        ") for line in body.strip("\n").split("\n")]
    script.write_text("\n".join([f"#!{sys.executable}", _FAKE, *lines]))
    script.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(script))


_FAKE = """
import os, sys
from fireside.engine.host import Channel
from fireside.engine.error_codec import ErrorData, encode_error
from fireside.engine.messages import *
from fireside.engine.types import *
from fireside.errors import EngineFailed, InvalidInput

INFO = EngineInfo(context_length=4096, max_num_seqs=4, load_seconds=0.0)
channel = Channel(sys.stdin.buffer, sys.stdout.buffer)
assert isinstance(channel.read(), Load)
send = channel.write

def write(data):
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
"""

GARBAGE = {
    "text": "b'Segmentation fault (core dumped)'",
    "no message": "encode_frame(Cancel(1))",
    "no msgpack": "HEADER.pack(3) + b'\\xc1\\xc1\\xc1'",
    "an error of another shape": "encode_frame(LoadFailed('ContextOverflow'))",
    "too large": "HEADER.pack(0xFFFFFFFF)",
    "a flood": "b'\\xff' * 5_000_000",
}


@pytest.mark.parametrize("junk", GARBAGE.values(), ids=GARBAGE.keys())
async def test_garbage_while_loading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, junk: str) -> None:
    fake_engine(tmp_path, monkeypatch, f"        write({junk})\n        channel.read()")
    with pytest.raises(EngineFailed, match="could not be handled while it loaded the model"):
        async with running():
            pass


@both_loops
@pytest.mark.parametrize("junk", [GARBAGE["text"], GARBAGE["a flood"]], ids=["text", "a flood"])
async def test_garbage_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, junk: str) -> None:
    real = sys.executable
    fake_engine(
        tmp_path,
        monkeypatch,
        f"""
        send(Ready(INFO))
        channel.read()
        write({junk})
        channel.read()
        """,
    )
    async with running() as engine:
        with pytest.raises(EngineLost, match="could not be handled"):
            await collect(engine, say())
        monkeypatch.setattr(sys, "executable", real)
        assert await text_of(engine, say()) == "hello"


DEATHS = {
    "exit": ("sys.exit(3)", "ended with exit status 3"),
    "half a frame": ("write(HEADER.pack(100) + b'x'); os._exit(0)", "ended with exit status 0"),
    "half a header": ("write(b'x'); os._exit(0)", "ended with exit status 0"),
    "out of memory": ("os.kill(os.getpid(), 9)", r"SIGKILL \(the system may have run out of memory\)"),
    "an odd signal": ("os.kill(os.getpid(), 40)", "ended by signal 40"),
}


@pytest.mark.parametrize(("body", "said"), DEATHS.values(), ids=DEATHS.keys())
async def test_death_while_loading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, said: str) -> None:
    fake_engine(tmp_path, monkeypatch, f"        {body}")
    with pytest.raises(EngineFailed, match=f"{said} while it loaded the model"):
        async with running():
            pass


@both_loops
async def test_a_process_that_cannot_be_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "missing"))
    with pytest.raises(EngineFailed, match="cannot be started"):
        async with running():
            pass


@both_loops
async def test_a_process_that_does_not_end_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_engine(tmp_path, monkeypatch, "        import time\n        send(Ready(INFO))\n        time.sleep(1000)")
    monkeypatch.setattr(process, "PATIENCE", 0.1)
    async with running() as engine:
        task = asyncio.create_task(collect(engine, say()))
        await until(lambda: len(engine._running) == 1)
        await engine.close()
        with pytest.raises(EngineLost):
            await task


async def test_late_messages_do_no_harm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tokens of a generation that was cancelled, answers nobody asked for, a second Ready."""
    fake_engine(
        tmp_path,
        monkeypatch,
        """
        send(Ready(INFO))
        submit = channel.read()
        send(Ready(INFO))
        send(Stats(EngineStats()))
        send(Loading("again", 1, 0))
        send(GenerationFailed(12345, encode_error(EngineFailed("unknown"))))
        send(Tokens([(99, Token(1)), (submit.request_id, Token(7)), (submit.request_id, Token(8, "stop"))]))
        send(Tokens([(submit.request_id, Token(9))]))
        send(GenerationFailed(submit.request_id, encode_error(EngineFailed("over"))))
        channel.read()
        """,
    )
    async with running() as engine:
        assert ids(await collect(engine, say())) == [7, 8]


async def test_generations_that_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_engine(
        tmp_path,
        monkeypatch,
        """
        send(Ready(INFO))
        send(GenerationFailed(channel.read().request_id, encode_error(EngineFailed("not today"))))
        send(GenerationFailed(channel.read().request_id, encode_error(InvalidInput(["a: wrong", "b: wrong"]))))
        send(GenerationFailed(channel.read().request_id, ErrorData("ContextOverflow", {"message": "x"})))
        send(GenerationFailed(channel.read().request_id, ErrorData("Sequence", {"message": "x"})))
        while message := channel.read():
            if isinstance(message, Submit):
                send(Tokens([(message.request_id, Token(1, "stop"))]))
        """,
    )
    async with running() as engine:
        with pytest.raises(EngineFailed, match="not today"):
            await collect(engine, say())
        with pytest.raises(InvalidInput) as caught:
            await collect(engine, say())
        assert caught.value.problems == ("a: wrong", "b: wrong")
        for _ in range(2):
            with pytest.raises(EngineFailed, match="cannot be read"):
                await collect(engine, say())
        assert ids(await collect(engine, say())) == [1]


async def test_what_a_library_prints_goes_to_standard_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "printing_host.py").write_text(_PRINTER)
    monkeypatch.syspath_prepend(str(tmp_path))
    start = child.command
    monkeypatch.setattr(child, "command", lambda _module, python: start("printing_host"))
    async with running(echo(speed=300)) as engine:
        assert await text_of(engine, say("x" * 100)) == "x" * 100
    printed = capfd.readouterr()
    assert printed.out == ""
    assert "by print" in printed.err
    assert "by the descriptor" in printed.err


_PRINTER = """
import os, sys, threading, time

def chatter():
    while os.fstat(1).st_ino != os.fstat(2).st_ino:  # until the host has taken its streams
        time.sleep(0.001)
    while True:
        print("by print", flush=True)
        os.write(1, b"by the descriptor\\n")
        time.sleep(0.01)

threading.Thread(target=chatter, daemon=True).start()
from fireside.engine.host import main
main()
"""


async def test_a_fault_in_who_listens_to_progress(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_engine(tmp_path, monkeypatch, "        send(Loading('x', 0, 1))\n        channel.read()")

    def fail(phase: str, done: int, total: int) -> None:
        raise ZeroDivisionError

    engine = made()
    async with asyncio.timeout(LIMIT):
        with pytest.raises(EngineFailed):
            await engine.start(fail)
        await engine.close()


# What stays


@both_loops
async def test_no_descriptor_or_process_stays() -> None:
    me = psutil.Process()

    async def cycle(kill: bool) -> None:
        async with running() as engine:
            assert await text_of(engine, say()) == "hello"
            if kill:
                os.kill(pid_of(engine), signal.SIGKILL)
                await asyncio.gather(collect(engine, say()), return_exceptions=True)

    await cycle(kill=True)
    before = me.num_fds()
    for number in range(4):
        await cycle(kill=number % 2 == 1)
    await asyncio.sleep(0)
    assert me.num_fds() <= before


PARENT = """
import asyncio, os, signal, sys
from fireside.engine.echo import EchoOptions
from fireside.engine.onnx.options import OnnxOptions
from fireside.engine.registry import create
from fireside.engine.types import GenerationRequest

async def main(when):
    engine = create("echo", EchoOptions(context_length=10000, tokens_per_second=1))
    start = asyncio.ensure_future(engine.start())
    while engine.pid is None:
        await asyncio.sleep(0)
    if when != "loading":
        await start
    if when == "answering":
        await anext(engine.generate(GenerationRequest(prompt_ids=[1] * 9000, max_tokens=1000)))
    print(engine.pid, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main(sys.argv[1]))
"""


@pytest.mark.parametrize("when", ["loading", "idle", "answering"])
async def test_the_death_of_the_server_ends_the_process(when: str) -> None:
    parent = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", PARENT, when], stdout=subprocess.PIPE, timeout=LIMIT
    )
    assert parent.returncode == -signal.SIGKILL
    child = int(parent.stdout)
    async with asyncio.timeout(LIMIT):
        await until(lambda: not _lives(child))


def _lives(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


# The ONNX engine


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("checkpoint")
    make_tiny_checkpoint(path)
    return path


def onnx(path: Path, cache: Path | None = None) -> EngineOptions:
    return OnnxOptions(
        model_path=str(path),
        context_length=512,
        max_num_seqs=2,
        threads=1,
        cache_dir=str(cache) if cache else "",
    )


async def test_a_checkpoint_answers_as_it_does_in_this_process(folder: Path, tmp_path: Path) -> None:
    request = GenerationRequest(prompt_ids=[1, 2, 3], max_tokens=12, sampling=Sampling(temperature=1.0, seed=5))
    (expected,) = run(open_runner(folder), [request])
    seen: list[tuple[str, int, int]] = []
    engine = made(onnx(folder, tmp_path))
    async with asyncio.timeout(LIMIT):
        try:
            info = await engine.start(lambda *step: seen.append(step))
            assert (info.context_length, info.max_num_seqs, info.warm) == (512, 2, False)
            assert info.load_seconds > 0
            assert await collect(engine, request) == expected
            with pytest.raises(EngineFailed, match="outside the vocabulary"):
                await collect(engine, GenerationRequest(prompt_ids=[99], max_tokens=1))
            assert await collect(engine, request) == expected
        finally:
            await engine.close()
    phases = list(dict.fromkeys(phase for phase, _, _ in seen))
    assert phases == ["opening the checkpoint", "repacking weights", "preparing the engine"]
    repacked = [(done, total) for phase, done, total in seen if phase == "repacking weights"]
    assert repacked == sorted(repacked)
    assert repacked[-1][0] == repacked[-1][1]


def missing(path: Path) -> None:
    pass


def truncated(path: Path) -> None:
    make_tiny_checkpoint(path)
    with (path / "model.safetensors").open("r+b") as file:
        file.truncate(5000)


def pickled(path: Path) -> None:
    path.mkdir()
    (path / "pytorch_model.bin").write_bytes(b"\x80\x04.")


@pytest.mark.parametrize(
    ("make", "kind"), [(missing, ModelNotDownloaded), (truncated, BadWeights), (pickled, UnsupportedWeights)]
)
async def test_a_load_that_is_refused_says_why(
    tmp_path: Path, make: Callable[[Path], None], kind: type[FiresideError], capfd: pytest.CaptureFixture[str]
) -> None:
    make(tmp_path / "model")
    engine = made(onnx(tmp_path / "model"))
    async with asyncio.timeout(LIMIT):
        for attempt in (engine.start(), collect(engine, say())):
            with pytest.raises(kind) as caught:
                await attempt
            assert type(caught.value) is kind
            assert str(caught.value).startswith("model")
            assert str(tmp_path) not in str(caught.value)
        assert engine.pid is None
        await engine.close()
    assert capfd.readouterr().err == ""


async def test_a_reload_that_is_refused_is_tried_again(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "model"
    path.symlink_to(folder)
    async with running(onnx(path)) as engine:
        path.unlink()
        os.kill(pid_of(engine), signal.SIGKILL)
        with pytest.raises((EngineLost, ModelNotDownloaded)):
            await collect(engine, say("!", max_tokens=3))
        with pytest.raises(ModelNotDownloaded):
            await collect(engine, say("!", max_tokens=3))
        path.symlink_to(folder)
        while True:
            try:
                assert len(await collect(engine, say("!", max_tokens=3))) == 3
                break
            except ModelNotDownloaded:
                continue


async def test_weights_that_are_no_numbers_fail_requests_not_the_process(tmp_path: Path) -> None:
    make_tiny_checkpoint(tmp_path)
    file = tmp_path / "model.safetensors"
    data = file.read_bytes()
    file.write_bytes(data[:-16] + b"\xff\xff\xff\x7f" * 4)  # the last row of lm_head
    async with running(onnx(tmp_path)) as engine:
        pid = engine.pid
        for sampling in (Sampling(temperature=0), Sampling(top_k=5), Sampling(top_p=0.5)):
            with pytest.raises(EngineFailed, match="not a finite number"):
                await collect(engine, GenerationRequest(prompt_ids=[5], max_tokens=3, sampling=sampling))
        assert (await engine.stats()).running == 0
        assert engine.pid == pid


async def test_a_grammar_fails_its_own_request_and_not_the_process() -> None:
    options = EchoOptions(context_length=4096, max_num_seqs=4, tokens=BYTES)
    async with running(options) as engine:
        pid = engine.pid
        for grammar, error in (
            (regex_grammar("["), BadGrammar),
            (json_grammar({"oneOf": [{}, {}]}), BadGrammar),
            (regex_grammar("a{9999}"), ConstraintNotMet),
        ):
            with pytest.raises(error):
                await collect(engine, msgspec.structs.replace(say("x", max_tokens=5), grammar=grammar))
        assert await text_of(engine, msgspec.structs.replace(say("x"), grammar=regex_grammar("y"))) == "y"
        assert await text_of(engine, say("fine")) == "fine"
        assert engine.pid == pid
