"""The examples of docs/openai.md, against a server as users start it."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from support.documents import examples

PAGE = "docs/openai.md"
PRINTED_URL = "http://127.0.0.1:8787"


def run(command: list[str]) -> str:
    environment = {**os.environ, "NO_PROXY": "127.0.0.1"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_python_example_streams_and_counts(server_url: str) -> None:
    (program,) = examples(PAGE, "python", "stream=True")
    text, tokens = run([sys.executable, "-c", program.replace(PRINTED_URL, server_url)]).rstrip().rsplit("\n", 1)
    assert "Paris" in text
    assert tokens.endswith(" tokens")


def test_the_likelier_text_is_the_true_one(server_url: str) -> None:
    (program,) = examples(PAGE, "python", "logprobs")
    lines = run([sys.executable, "-c", program.replace(PRINTED_URL, server_url)]).splitlines()
    paris, rome = (line.partition(" ") for line in lines)
    assert (paris[2], rome[2]) == ("The capital of France is Paris.", "The capital of France is Rome.")
    assert 0 > float(paris[0]) > float(rome[0])


@pytest.mark.skipif(not shutil.which("curl"), reason="needs curl")
def test_the_curl_example_answers(server_url: str) -> None:
    (command,) = examples(PAGE, "sh")
    said = json.loads(run(["sh", "-ec", command.replace(PRINTED_URL, server_url)]))
    assert said["object"] == "chat.completion"
    assert said["choices"][0]["message"]["content"]


@pytest.mark.skipif(not shutil.which("curl"), reason="needs curl")
def test_the_error_is_the_one_shown(server_url: str) -> None:
    (command,) = examples(PAGE, "sh")
    wrong = command.replace('"max_tokens": 20', '"temperature": "warm"').replace(PRINTED_URL, server_url)
    (shown,) = examples(PAGE, "json")
    assert json.loads(run(["sh", "-ec", wrong])) == json.loads(shown)
