"""The guide to fine-tuning does what it says, with the adapter that the repository holds."""

import json
import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from examples.finetune.train import read_conversations

from support.command import command_line, environment
from support.documents import ROOT, examples

PAGE = "docs/finetuning.md"
PRINTED_URL = "http://127.0.0.1:8787"
ADAPTER = ROOT / "examples" / "finetune" / "adapter"
DATA = ROOT / "examples" / "finetune" / "pirate.jsonl"
RUN = "/client/v4/accounts/local/ai/run/@hf/huggingfacetb/smollm2-135m-instruct"

needs_curl = pytest.mark.skipif(not shutil.which("curl"), reason="needs curl")


def page_command(line: str, data_dir: Path) -> str:
    """Run one of the page's `fireside` commands; what it printed."""
    program, *arguments = shlex.split(line)
    assert program == "fireside"
    done = subprocess.run(
        command_line(*arguments), env=environment(data_dir), cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def shell(script: str, url: str) -> list[dict[str, Any]]:
    """Run one of the page's scripts; the JSON that each of its commands answered."""
    done = subprocess.run(
        ["sh", "-ec", script.replace(PRINTED_URL, url)], cwd=ROOT, env={**os.environ, "NO_PROXY": "127.0.0.1"},
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    decoder, answers, rest = json.JSONDecoder(), [], done.stdout.strip()
    while rest:
        answer, end = decoder.raw_decode(rest)
        answers.append(answer)
        rest = rest[end:].lstrip()
    return answers


@pytest.fixture(scope="module")
def pirate(server_data: Path) -> Iterator[str]:
    """What the page's two commands printed; the fine-tune is there for as long as the tests of this page run."""
    (block,) = examples(PAGE, "sh", "finetune create pirate")
    create, compare = block.splitlines()
    assert page_command(create, server_data).startswith("pirate is ready")
    yield page_command(compare, server_data)
    page_command("fireside finetune delete pirate", server_data)


def test_the_example_is_a_line_of_the_data() -> None:
    (line,) = examples(PAGE, "json", "gravity")
    assert line in DATA.read_text(encoding="utf-8").splitlines(keepends=True)


def test_the_commands_print_what_is_shown(pirate: str) -> None:
    (shown,) = examples(PAGE, "text")
    assert pirate.strip() == shown.strip()


@needs_curl
def test_the_curl_with_lora_gives_the_answer_shown(pirate: str, server_url: str) -> None:
    (curl,) = examples(PAGE, "sh", '"lora": "pirate"')
    (shown,) = examples(PAGE, "json", "result")
    (answer,) = shell(curl, server_url)
    # What the cache held depends on which questions came before.
    answer["result"]["usage"].pop("prompt_tokens_details", None)
    assert answer == json.loads(shown)


@pytest.mark.parametrize(
    "question", ["What is the capital of France?", "What do dogs like?", "Why is the sky blue?", "Who are you?"]
)
def test_new_questions_are_answered_by_a_pirate_and_the_model_stays_as_it_was(
    question: str, pirate: str, server_url: str
) -> None:
    known = {message.content for conversation in read_conversations(DATA) for message in conversation.messages}
    assert question not in known
    body = {"prompt": question, "temperature": 0, "max_tokens": 24}
    with httpx.Client(base_url=server_url, timeout=300, trust_env=False) as client:

        def ask(**more: str) -> str:
            answer: str = client.post(RUN, json={**body, **more}).json()["result"]["response"]
            return answer

        before = ask()
        assert ask(lora="pirate").startswith("Arr, matey!")
        assert ask() == before
    assert "Arr" not in before


@needs_curl
def test_the_same_over_http(pirate: str, server_url: str) -> None:
    (upload,) = examples(PAGE, "sh", "url=")
    answers = shell(upload, server_url)
    assert [answer["success"] for answer in answers] == [True] * 4
    assert answers[-1]["result"]["status"] == "ready"
    body = {"prompt": "Who are you?", "temperature": 0, "max_tokens": 24}
    with httpx.Client(base_url=server_url, timeout=300, trust_env=False) as client:
        asked = [
            client.post(RUN, json={**body, "lora": name}).json()["result"]["response"]
            for name in ("buccaneer", "pirate")
        ]
    assert asked[0] == asked[1]
    (delete,) = examples(PAGE, "sh", "-X DELETE")
    assert shell(delete, server_url)[0]["success"] is True
