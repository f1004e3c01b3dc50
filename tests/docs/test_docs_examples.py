"""Every example does what the page says it does, against a real server."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.command import command_line, environment
from support.documents import examples

PRINTED_URL = "http://127.0.0.1:8787"


@pytest.fixture(scope="module")
def server_url(smollm2_gguf: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server with the default model, started as users start it."""
    data_dir = tmp_path_factory.mktemp("docs") / "data"
    pull = command_line("pull", "smollm2-135m-instruct", "--from", str(smollm2_gguf))
    subprocess.run(pull, env=environment(data_dir), check=True, capture_output=True, timeout=300)
    with subprocess.Popen(
        command_line("serve", "--port", "0"), env=environment(data_dir), stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        printed = ""
        for line in process.stdout:
            printed += line
            if match := re.search(r"curl '?(http://127\.0\.0\.1:\d+)/client/v4", line):
                yield match[1]
                break
        else:
            pytest.fail(f"the server printed no curl line, but: {printed}")
        process.terminate()
        process.stdout.read()
        assert process.wait(timeout=60) == 0


def shell(command: str) -> str:
    done = subprocess.run(["sh", "-ec", command], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(not shutil.which("curl"), reason="needs curl")
def test_readme_curl_gives_the_answer_shown(server_url: str) -> None:
    (curl,) = examples("README.md", "sh", "curl")
    shown, *_ = examples("README.md", "json")
    answer = shell(curl.replace(PRINTED_URL, server_url))
    assert json.loads(answer) == json.loads(shown)
    assert answer.strip() == shown.strip()


@pytest.mark.skipif(not shutil.which("curl"), reason="needs curl")
def test_first_page_curl_answers(server_url: str) -> None:
    (curl,) = examples("docs/index.md", "sh", "curl")
    assert json.loads(shell(curl.replace(PRINTED_URL, server_url)))["success"] is True


def test_readme_python_prints_an_answer(server_url: str) -> None:
    (program,) = examples("README.md", "python")
    done = subprocess.run(
        [sys.executable, "-c", program.replace(PRINTED_URL, server_url)],
        capture_output=True, text=True, timeout=120, check=True, env={**os.environ, "NO_PROXY": "127.0.0.1"},
    )  # fmt: skip
    assert len(done.stdout.splitlines()) >= 3


@pytest.mark.skipif(not shutil.which("node"), reason="needs node")
def test_readme_worker_streams(server_url: str, tmp_path: Path) -> None:
    (worker,) = examples("README.md", "js")
    (tmp_path / "worker.mjs").write_text(worker, encoding="utf-8")
    settings = {"AI_BASE_URL": f"{server_url}/client/v4", "ACCOUNT_ID": "local", "API_TOKEN": "any"}
    (tmp_path / "main.mjs").write_text(
        'import worker from "./worker.mjs";\n'
        f'const answer = await worker.fetch(new Request("http://worker/"), {json.dumps(settings)});\n'
        "process.stdout.write(await answer.text());\n",
        encoding="utf-8",
    )
    done = subprocess.run(["node", tmp_path / "main.mjs"], capture_output=True, text=True, timeout=120, check=True)
    frames = done.stdout.split("\n\n")
    assert frames[0].startswith('data: {"response":"')
    assert frames[-2:] == ["data: [DONE]", ""]


@pytest.mark.skipif(not shutil.which("curl"), reason="needs curl")
def test_echo_curl_gives_the_answer_shown(server_url: str) -> None:
    (curl,) = examples("docs/echo.md", "sh", "curl")
    (shown,) = examples("docs/echo.md", "json")
    assert shell(curl.replace(PRINTED_URL, server_url)).strip() == shown.strip()
