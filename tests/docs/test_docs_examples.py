"""Every example does what the page says it does, against a real server."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support.documents import examples

PRINTED_URL = "http://127.0.0.1:8787"


def shell(command: str) -> str:
    done = subprocess.run(["sh", "-ec", command], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(not shutil.which("curl"), reason="needs curl")
def test_readme_curl_gives_the_answer_shown(server_url: str) -> None:
    (curl,) = examples("README.md", "sh", "curl")
    shown, *_ = examples("README.md", "json")
    answer = shell(curl.replace(PRINTED_URL, server_url))
    # What another test has asked before is read from the cache, and counted.
    answer = re.sub(r',"prompt_tokens_details":\{"cached_tokens":\d+\}', "", answer)
    assert answer.strip() == shown.strip()


@pytest.mark.skipif(not shutil.which("curl"), reason="needs curl")
def test_first_page_curl_answers(server_url: str) -> None:
    (curl,) = examples("docs/index.md", "sh", "curl")
    answer = json.loads(shell(curl.replace(PRINTED_URL, server_url)))
    assert answer["result"]["response"] == "The capital of France is Paris."


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


PAGE = "docs/json-and-tools.md"


@pytest.mark.skipif(not shutil.which("curl"), reason="needs curl")
def test_json_mode_curl_answers_an_object_that_fits(server_url: str) -> None:
    (curl,) = examples(PAGE, "sh", "smollm2")
    country = json.loads(shell(curl.replace(PRINTED_URL, server_url)))["result"]["response"]
    assert set(country) == {"name", "capital"}


def test_the_calculator_program_prints_the_result(server_url: str) -> None:
    (program,) = examples(PAGE, "python")
    done = subprocess.run(
        [sys.executable, "-c", program.replace(PRINTED_URL, server_url)],
        capture_output=True, text=True, timeout=120, check=True, env={**os.environ, "NO_PROXY": "127.0.0.1"},
    )  # fmt: skip
    assert "5842" in done.stdout


@pytest.mark.skipif(not shutil.which("curl"), reason="needs curl")
def test_echo_in_json_mode_gives_the_answer_shown(server_url: str) -> None:
    (curl,) = examples(PAGE, "sh", "echo")
    (shown,) = examples(PAGE, "json")
    assert shell(curl.replace(PRINTED_URL, server_url)).strip() == shown.strip()
