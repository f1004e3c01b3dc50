import re
import shlex
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from typer.testing import Result

from fireside.cli.serve_process import _own_url
from support.command import command_line, environment
from support.file_server import file_server
from support.model_sources import hub_source, model_spec, serve_repository, write_catalog_file

Fireside = Callable[..., Result]
posix = pytest.mark.skipif(sys.platform == "win32", reason="signals as POSIX has them")


@contextmanager
def started(*arguments: str, data_dir: Path, **extra: str) -> Iterator[subprocess.Popen[str]]:
    """The command, killed at the latest after a minute, so that a failure ends."""
    with subprocess.Popen(
        command_line(*arguments),
        env=environment(data_dir, extra),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Where these tests run as a background job, SIGINT is ignored, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as process:
        timer = threading.Timer(60, process.kill)
        timer.start()
        try:
            yield process
        finally:
            timer.cancel()
            process.kill()


def read_until(process: subprocess.Popen[str], last: str) -> str:
    """Standard output up to the line that begins so."""
    lines = []
    for line in process.stdout or ():
        lines.append(line)
        if line.startswith(last):
            return "".join(lines)
    raise AssertionError("".join(lines) + (process.stderr.read() if process.stderr else ""))


def pasted(printed: str, variables: dict[str, str] | None = None) -> httpx.Response:
    """What the printed curl line does, read as a shell reads it; curl's -d sends a form type."""
    (line,) = [line for line in printed.splitlines() if line.strip().startswith("curl ")]
    for name, value in (variables or {}).items():
        line = line.replace(f"${name}", value)
    words = shlex.split(line)
    headers = {"content-type": "application/x-www-form-urlencoded"}
    if "-H" in words:
        name, _, value = words[words.index("-H") + 1].partition(": ")
        headers[name] = value
    content = words[words.index("-d") + 1]
    return httpx.post(words[1], content=content, headers=headers, timeout=30, trust_env=False)


@posix
def test_serve_prints_a_line_that_works_and_ends_in_peace(tmp_path: Path) -> None:
    with started("serve", "echo", "--port", "0", data_dir=tmp_path) as process:
        printed = read_until(process, "Ctrl-C")
        assert re.match(r"Fireside \S+ listens on http://127\.0\.0\.1:\d+\n", printed)
        [page] = re.findall(r"http://127\.0\.0\.1:\d+/playground", printed)
        assert "<fs-chat>" in httpx.get(page, trust_env=False).text
        answer = pasted(printed)
        assert answer.json()["result"]["response"] == "What is the capital of France?"
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate()
    assert process.returncode == 0
    assert rest == "Fireside has ended.\n"
    assert errors == "Loading @hf/fireside/echo: starting\n"


@posix
def test_once_there_is_a_token_the_line_asks_for_it(tmp_path: Path, fireside: Fireside) -> None:
    token = fireside("token", "create", "--account", "team", "--data-dir", str(tmp_path)).stdout.strip()
    with started("serve", "echo", "--port", "0", "--host", "0.0.0.0", data_dir=tmp_path) as process:
        printed = read_until(process, "Ctrl-C")
        assert "http://127.0.0.1:" in printed.partition("Try it")[2]
        assert "/accounts/team/" in printed
        assert pasted(printed).status_code == 401
        assert pasted(printed, {"FIRESIDE_TOKEN": token}).status_code == 200
        assert token not in printed
        process.send_signal(signal.SIGINT)
        errors = process.communicate()[1]
    assert errors.startswith("Warning: what goes over the network to 0.0.0.0 is not encrypted, tokens included.")


def test_elsewhere_a_token_must_exist(fireside: Fireside) -> None:
    result = fireside("serve", "echo", "--host", "0.0.0.0", "--port", "0")
    assert result.exit_code == 1
    assert "Create one first: fireside token create" in result.stderr


@posix
def test_lines_of_the_log_have_the_requests_id(tmp_path: Path) -> None:
    made = subprocess.run(command_line("token", "create"), env=environment(tmp_path), capture_output=True, check=False)
    assert made.returncode == 0
    with started("serve", "echo", "--port", "0", data_dir=tmp_path) as server:
        assert server.stderr is not None
        printed = read_until(server, "Ctrl-C")
        answer = pasted(printed, {"TOKEN": "wrong"})
        assert answer.status_code == 401
        line = next(line for line in server.stderr if "Rejected a request" in line)
    assert f"[{answer.headers['cf-ai-req-id']}]" in line


def test_a_port_in_use_is_told_before_anything_is_fetched(fireside: Fireside, data_dir: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        result = fireside("serve", "--port", str(taken.getsockname()[1]))
    assert result.exit_code == 1
    assert "Set another port (FIRESIDE_PORT)" in result.stderr
    assert not (data_dir / "models").exists()


def test_no_pull_refuses(fireside: Fireside) -> None:
    result = fireside("serve", "--no-pull", "--port", "0")
    assert result.exit_code == 1
    assert "Run: fireside pull @hf/huggingfacetb/smollm2-135m-instruct" in result.stderr


@posix
def test_a_model_that_does_not_load_is_told_and_others_answer(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    write_catalog_file(tmp_path / "catalog", model_spec(hub_source("config.json")), folder=empty)
    with started("serve", "tiny", "--port", "0", data_dir=tmp_path) as process:
        url = read_until(process, "Fireside").split()[-1]
        assert process.stderr is not None
        while "cannot be loaded" not in (line := process.stderr.readline()):
            assert line
        answer = httpx.post(
            f"{url}/client/v4/accounts/a/ai/run/@hf/fireside/echo", json={"prompt": "hi"}, timeout=30, trust_env=False
        )
        assert answer.json()["result"]["response"] == "hi"


@posix
def test_a_stand_in_is_fetched_instead_of_the_default_model(tmp_path: Path) -> None:
    model = "@hf/mistral/mistral-7b-instruct-v0.2"
    with started("serve", model, "--stand-in", "echo", "--port", "0", data_dir=tmp_path) as process:
        printed = read_until(process, "Ctrl-C")
        assert "@hf/fireside/echo is ready" in printed
        answer = pasted(printed)
        assert answer.headers["fireside-served-by"] == "@hf/fireside/echo"
        assert model in str(answer.request.url)


@posix
def test_ctrl_c_in_a_download_is_quiet_and_130(tmp_path: Path) -> None:
    with file_server() as server:
        served = serve_repository(server, {"config.json": b"{}", "model.safetensors": bytes(5000)})
        asked, go = threading.Event(), threading.Event()

        def hold() -> None:
            asked.set()
            assert go.wait(60)

        served["model.safetensors"].before = hold
        write_catalog_file(tmp_path / "catalog", model_spec(hub_source("config.json", "model.safetensors")))
        with started("pull", "tiny", data_dir=tmp_path, HF_ENDPOINT=server.url) as process:
            assert asked.wait(60)
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate()
            go.set()
        assert process.returncode == 130
        assert "Traceback" not in errors
        assert "Error" not in errors


@pytest.mark.parametrize(
    ("url", "own"),
    [
        ("http://127.0.0.1:8787", "http://127.0.0.1:8787"),
        ("http://0.0.0.0:8787", "http://127.0.0.1:8787"),
        ("http://[::]:80", "http://[::1]:80"),
        ("http://[::1]:80", "http://[::1]:80"),
    ],
)
def test_the_url_for_this_machine(url: str, own: str) -> None:
    assert _own_url(url) == own
