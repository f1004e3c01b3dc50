"""The engine's process: what its engine raises, and what it is sent."""

import asyncio
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from fireside import child
from fireside.engine import host
from fireside.engine.echo import ENGINE as ECHO
from fireside.engine.echo import EchoOptions
from fireside.engine.messages import HEADER, Load, encode_frame
from fireside.engine.process import ProcessEngine
from fireside.engine.types import GenerationRequest
from fireside.errors import BadWeights, ContextOverflow, EngineFailed, FiresideError, InvalidInput, for_operators

ODD_HOST = """
from dataclasses import replace

from fireside.engine import echo, host, registry
from fireside.engine.echo.runner import EchoRunner
from fireside.errors import BadWeights, ContextOverflow, InvalidInput

ERRORS = {
    1: MemoryError(),
    2: ContextOverflow(5, 6, 7, at_least=True),
    3: InvalidInput(["a: wrong", "b: missing"]),
    4: ValueError("in its own words"),
    5: KeyError("/secret/place"),
}


class OddRunner(EchoRunner):
    def submit(self, request_id, request):
        if error := ERRORS.get(request.prompt_ids[0]):
            raise error
        super().submit(request_id, request)

    def step(self):
        return [(number, ERRORS[2]) if made.id == 0x21 else (number, made) for number, made in super().step()]


def make_runner(options, progress):
    if options.model_path:
        error = BadWeights("model.bin: cut")
        error.add_note("Its files: /srv")
        raise error
    return OddRunner(options)


echo.ENGINE = replace(echo.ENGINE, make_runner=make_runner)
host.main()
"""


def odd_engine(folder: Path, monkeypatch: pytest.MonkeyPatch, options: EchoOptions) -> ProcessEngine:
    """An echo engine that raises what the first token of a prompt, or a `!`, tells it to."""
    (folder / "odd_host.py").write_text(ODD_HOST)
    monkeypatch.syspath_prepend(str(folder))
    start = child.command
    monkeypatch.setattr(child, "command", lambda _module, python: start("odd_host"))
    return ProcessEngine(ECHO, options)


@pytest.mark.anyio
@pytest.mark.usefixtures("children")
async def test_what_an_engine_raises_costs_one_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = odd_engine(tmp_path, monkeypatch, EchoOptions(max_num_seqs=2))

    async def fail(*prompt: int) -> FiresideError:
        with pytest.raises(FiresideError) as caught:
            await say(*prompt)
        return caught.value

    async def say(*prompt: int) -> list[int]:
        request = GenerationRequest(prompt_ids=list(prompt), max_tokens=len(prompt))
        return [token.id async for token in engine.generate(request)]

    try:
        await engine.start()
        pid = engine.pid
        for prompt, expected in {
            (1, 9): EngineFailed("MemoryError. The server's log says more."),
            (2, 9): ContextOverflow(5, 6, 7, at_least=True),
            (3, 9): InvalidInput(["a: wrong", "b: missing"]),
            (4, 9): EngineFailed("in its own words"),
            (5, 9): EngineFailed("KeyError. The server's log says more."),
            (9, 0x21): ContextOverflow(5, 6, 7, at_least=True),
        }.items():
            error = await fail(*prompt)
            assert (type(error), str(error), vars(error)) == (type(expected), str(expected), vars(expected))
        assert await say(9, 9) == [9, 9]
        assert engine.pid == pid
    finally:
        await engine.close()


@pytest.mark.anyio
@pytest.mark.usefixtures("children")
async def test_a_load_that_fails_tells_operators_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = odd_engine(tmp_path, monkeypatch, EchoOptions(model_path="x"))
    with pytest.raises(BadWeights) as caught:
        await engine.start()
    assert str(caught.value) == "model.bin: cut"
    assert for_operators(caught.value) == "model.bin: cut Its files: /srv"
    await engine.close()


LOAD = encode_frame(Load("echo", msgspec.Raw(msgspec.msgpack.encode(EchoOptions()))))


def host_after(sent: bytes) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        child.command("fireside.engine.host"), input=sent, capture_output=True, timeout=60, check=False
    )


def test_it_ends_with_its_input() -> None:
    done = host_after(LOAD)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize(
    "junk",
    [HEADER.pack(3) + b"\xc1\xc1\xc1", HEADER.pack(0xFFFFFFFF), HEADER.pack(9) + b"cut"],
    ids=["no message", "too long", "cut"],
)
def test_what_it_cannot_read_ends_it_with_a_status_and_a_trace(junk: bytes) -> None:
    done = host_after(LOAD + junk)
    assert done.returncode == host.UNREADABLE
    assert b"invalid message from the server" in done.stderr
    assert b"Traceback" in done.stderr


@pytest.mark.parametrize(
    ("load", "said"),
    [
        (Load("none", msgspec.Raw(msgspec.msgpack.encode({}))), b"KeyError"),
        (Load("echo", msgspec.Raw(msgspec.msgpack.encode({"weights": 1}))), b"ValidationError"),
    ],
)
def test_an_engine_that_it_does_not_have_or_options_that_are_not_its_own(load: Load, said: bytes) -> None:
    command = child.command("fireside.engine.host")
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdin.write(encode_frame(load))
        process.stdin.flush()
        assert b"Loading failed (" + said in process.stdout.read()
        assert b"Traceback" in process.stderr.read()


def test_an_engines_interpreter_is_asked_for_each_start() -> None:
    """A fault there is a failed start, and nobody waits forever."""

    def broken(options: EchoOptions) -> str:
        raise LookupError

    engine = ProcessEngine(replace(ECHO, python=broken), EchoOptions())

    async def start() -> None:
        with pytest.raises(EngineFailed, match="cannot be started"):
            await engine.start()
        await engine.close()

    asyncio.run(start())


def test_nothing_that_an_engine_reads_is_a_frame() -> None:
    """Its standard input is empty, and what it prints is not a frame."""
    code = (
        "import os, sys; from fireside.engine import host; source, sink = host._own_standard_streams(); "
        "assert sys.stdin.read() == ''; print('printed'); os.write(1, b'written'); assert source.read() == b'frames'; "
        "assert not os.get_inheritable(source.fileno()) and not os.get_inheritable(sink.fileno())"
    )
    done = subprocess.run([sys.executable, "-c", code], input=b"frames", capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, b""), done.stderr
    assert b"printed" in done.stderr
    assert b"written" in done.stderr
