"""The server as a process: the real service with the echo engine behind it, signals, and its socket."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from fireside.api.http.server import listen, serve, url_of
from fireside.errors import ConfigError
from fireside.settings import Settings
from fireside.store.store import Store
from support import serve_echo
from support.live_server import check_error, wait_until

RUN = "/client/v4/accounts/acc/ai/run/@hf/fireside/echo"
TEXT = "Grüße \N{GRINNING FACE}\N{WAVING HAND SIGN}\N{EMOJI MODIFIER FITZPATRICK TYPE-4} 你好 e\u0301!"


@dataclass
class ServerProcess:
    process: subprocess.Popen[str]
    url: str
    folder: Path

    def signal(self, number: int = signal.SIGTERM) -> None:
        self.process.send_signal(number)

    def end(self) -> None:
        """Assert that it ends without an error, having closed everything."""
        output, errors = self.process.communicate(timeout=30)
        assert (self.process.returncode, output) == (0, "ended\n"), errors


@contextlib.contextmanager
def server_process(folder: Path, **settings: object) -> Iterator[ServerProcess]:
    given = {f"FIRESIDE_{name.upper()}": str(value) for name, value in settings.items()}
    process = subprocess.Popen(
        [sys.executable, serve_echo.__file__],
        env={**os.environ, "FIRESIDE_DATA_DIR": str(folder), **given},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        if not url:
            pytest.fail(process.communicate()[1])
        yield ServerProcess(process, url, folder)
    finally:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with server_process(tmp_path_factory.mktemp("real")) as running:
        with httpx.Client(base_url=running.url, timeout=30, trust_env=False) as client:
            yield client
        running.signal()
        running.end()


def pieces(frames: list[str]) -> list[str]:
    return [json.loads(frame.removeprefix("data: "))["response"] for frame in frames if '"response"' in frame]


def test_the_real_service_answers(real: httpx.Client) -> None:
    body = {"messages": [{"role": "user", "content": TEXT}], "max_tokens": 1000}
    result = real.post(RUN, json=body).json()["result"]
    assert result["response"] == TEXT
    assert result["usage"]["completion_tokens"] == len(TEXT.encode())
    *frames, done, end = real.post(RUN, json={**body, "stream": True}).text.split("\n\n")
    assert (done, end) == ("data: [DONE]", "")
    assert "".join(pieces(frames)) == TEXT
    assert json.loads(frames[-1].removeprefix("data: "))["usage"] == result["usage"]


@pytest.mark.parametrize("limit", range(1, 12))
def test_no_broken_characters_wherever_an_answer_is_cut(real: httpx.Client, limit: int) -> None:
    # The echo engine's tokens are bytes: most cuts go through the middle of a character.
    text = "\N{GRINNING FACE}é你x"
    body = {"prompt": text, "raw": True, "max_tokens": limit, "stream": True}
    frames = real.post(RUN, json=body).text.split("\n\n")
    assert "".join(pieces(frames)) == text.encode()[:limit].decode(errors="ignore")
    assert "\N{REPLACEMENT CHARACTER}" not in "".join(frames)


def test_a_seed_reproduces_streamed_and_not(real: httpx.Client) -> None:
    body = {"prompt": " ".join(map(str, range(20))), "seed": 7}
    first = real.post(RUN, json=body).json()["result"]["response"]
    assert first != body["prompt"]
    frames = real.post(RUN, json={**body, "stream": True}).text.split("\n\n")
    assert "".join(pieces(frames)) == first


def test_refusals_of_the_real_service(real: httpx.Client) -> None:
    message = check_error(real.post(RUN, json={"prompt": "hi", "max_tokens": 10**8}), 400, 5021)
    assert " 100000000 " in message
    check_error(real.post(RUN, json={"prompt": "hi", "lora": "mine"}), 405, 5005)
    path = RUN.replace("@hf/fireside/echo", "@hf/mistral/mistral-7b-instruct-v0.2")
    message = check_error(real.post(path, json={"prompt": "hi"}), 503, 5101)
    assert "fireside pull" in message


def test_a_client_that_goes_stops_the_engine(tmp_path: Path) -> None:
    with server_process(tmp_path, echo_tokens_per_second=50) as running:
        body = {"prompt": "a" * 1000, "max_tokens": 1000, "stream": True}
        with httpx.stream("POST", running.url + RUN, json=body, trust_env=False) as response:
            lines = response.iter_lines()
            seen = [next(lines) for _ in range(10)]
        assert seen[::2] == ['data: {"response":"a"}'] * 5
        with Store(tmp_path / "store.db") as store:
            wait_until(lambda: len(store.usage("acc")) == 1)
            [usage] = store.usage("acc")
        assert 5 <= usage.completion_tokens < 100
        running.signal(signal.SIGINT)
        running.end()


def _stream_and_signal(running: ServerProcess, signals: int, length: int) -> list[str]:
    body = {"prompt": "a" * length, "max_tokens": length, "stream": True}
    with httpx.stream("POST", running.url + RUN, json=body, trust_env=False, timeout=30) as response:
        lines = response.iter_lines()
        first = next(lines)
        for count in range(signals):
            running.signal()
            if count + 1 < signals:
                # Only once the first was taken: two that are pending count as one.
                wait_until(lambda: not _accepts(running.url))
        return [first, *(line for line in lines if line)]


def _accepts(url: str) -> bool:
    host, port = url.removeprefix("http://").split(":")
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
    except ConnectionError:
        return False
    return True


def test_a_signal_lets_answers_end(tmp_path: Path) -> None:
    with server_process(tmp_path, echo_tokens_per_second=50) as running:
        lines = _stream_and_signal(running, signals=1, length=60)
        running.end()
    assert "".join(pieces(lines)) == "a" * 60
    assert lines[-1] == "data: [DONE]"


@pytest.mark.parametrize(("signals", "drain_seconds"), [(1, 0.2), (2, 60)])
def test_what_does_not_end_in_time_gets_its_error(tmp_path: Path, signals: int, drain_seconds: float) -> None:
    with server_process(tmp_path, echo_tokens_per_second=20, drain_seconds=drain_seconds) as running:
        lines = _stream_and_signal(running, signals, length=4000)
        running.end()
    assert json.loads(lines[-2].removeprefix("data: "))["error"]["code"] == 3043
    assert lines[-1] == "data: [DONE]"
    assert lines.count("data: [DONE]") == 1


def test_a_port_in_use_is_said_before_anything_starts(tmp_path: Path) -> None:
    with listen(Settings(port=0, data_dir=tmp_path)) as sock:
        port = sock.getsockname()[1]
        with pytest.raises(ConfigError, match=f"127.0.0.1 port {port}.*FIRESIDE_PORT"):
            serve(_never, Settings(port=port, data_dir=tmp_path), listening=_never)  # type: ignore[arg-type]


async def _never(*args: object) -> None:
    raise AssertionError("nothing was to be started")


def test_a_host_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="FIRESIDE_HOST"):
        listen(Settings(host="no such host", data_dir=tmp_path))


def test_urls(tmp_path: Path) -> None:
    with listen(Settings(port=0, data_dir=tmp_path)) as sock:
        assert url_of(sock) == f"http://127.0.0.1:{sock.getsockname()[1]}"
    if socket.has_ipv6:
        with listen(Settings(host="::1", port=0, data_dir=tmp_path)) as sock:
            assert url_of(sock) == f"http://[::1]:{sock.getsockname()[1]}"


def test_what_the_lifespan_raises_comes_out(tmp_path: Path) -> None:
    @contextlib.asynccontextmanager
    async def broken() -> AsyncIterator[None]:
        raise ConfigError("broken on purpose")
        yield

    with pytest.raises(ConfigError, match="on purpose"):
        serve(_never, Settings(port=0, data_dir=tmp_path), lifespan=broken())
