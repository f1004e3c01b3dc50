"""The three quick starts, as their readers follow them: under the retired models' ids, which a stand-in answers for."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from support.command import command_line, environment
from support.documents import examples, read
from support.serving import serving

RETIRED, OFFLINE, PRIVATE = "docs/retired-model.md", "docs/offline-workers.md", "docs/private.md"
PRINTED_URL = "http://127.0.0.1:8787"
JOKE = "Tell me a joke."


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server as the pages start it: `fireside serve --stand-in echo`."""
    assert "fireside serve --stand-in echo" in read(RETIRED)
    assert "fireside serve --stand-in echo" in read(OFFLINE)
    with serving(tmp_path_factory.mktemp("ways") / "data", "--stand-in", "echo") as running:
        yield running


def program(language: str, holding: str, url: str) -> str:
    """An example of the first page."""
    (found,) = examples(RETIRED, language, holding)
    return found.replace(PRINTED_URL, url)


def said(*command: str, folder: Path | None = None, **variables: Any) -> str:
    settings = {**os.environ, "NO_PROXY": "127.0.0.1", **variables}
    done = subprocess.run(command, cwd=folder, env=settings, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.skipif(not shutil.which("curl"), reason="needs curl")
def test_curl_with_another_base_url(url: str) -> None:
    variables: dict[str, Any] = {"CLOUDFLARE_ACCOUNT_ID": "mine", "CLOUDFLARE_API_TOKEN": "any"}
    answer = json.loads(said("sh", "-ec", program("sh", "curl", url), **variables))
    assert answer["result"]["response"] == JOKE


@pytest.mark.parametrize("library", ["cloudflare", "openai"])
def test_python_with_another_base_url(library: str, url: str) -> None:
    assert said(sys.executable, "-c", program("python", f"from {library}", url)) == JOKE


def test_typescript_with_another_base_url(url: str, npm_clients: Path, tmp_path: Path) -> None:
    (tmp_path / "node_modules").symlink_to(npm_clients / "node_modules")
    (tmp_path / "ask.mjs").write_text(program("js", "cloudflare", url), encoding="utf-8")
    assert said("node", str(tmp_path / "ask.mjs")) == JOKE


def test_wrangler_with_another_base_url(url: str, npm_clients: Path, tmp_path: Path) -> None:
    commands = program("sh", "wrangler", url).replace("npx wrangler", f"{npm_clients}/node_modules/.bin/wrangler")
    assert "smollm2-135m-instruct" in said("sh", "-ec", commands, folder=tmp_path)


def test_an_id_that_nobody_has_is_the_error_that_the_page_names(tmp_path: Path) -> None:
    with serving(tmp_path / "data", "echo") as running:
        answer = httpx.post(f"{running}/client/v4/accounts/a/ai/run/@cf/no/such", json={"prompt": "a"}, trust_env=False)
    assert answer.json()["errors"][0]["code"] == 5007


def test_errors_to_test_ones_code_with(url: str) -> None:
    for body, code in (({"max_tokens": 9_999_999}, 5021), ({"temperature": "warm"}, 5006)):
        answer = httpx.post(
            f"{url}/client/v4/accounts/a/ai/run/@hf/mistral/mistral-7b-instruct-v0.2",
            json={"prompt": "hello there", **body},
            trust_env=False,
        )
        assert answer.json()["errors"][0]["code"] == code


def test_the_ci_steps_are_those_that_are_run_for_the_page_about_echo() -> None:
    (short,) = examples(OFFLINE, "yaml", "/ready")
    (whole,) = examples("docs/echo.md", "yaml", "/ready")
    assert [step["run"] for step in yaml.safe_load(short)] == [step["run"] for step in yaml.safe_load(whole)]


def test_a_teams_tokens_are_made_listed_and_ended(tmp_path: Path) -> None:
    def fireside(line: str) -> str:
        name, *arguments = line.split()
        assert name == "fireside"
        done = subprocess.run(
            command_line(*arguments), env=environment(tmp_path), capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    (block,) = examples(PRIVATE, "sh", "fireside token list")
    *made, listed = [fireside(line) for line in block.splitlines()]
    assert all(re.fullmatch(r"fireside_\w+\n", token) for token in made)
    rows = [line.split() for line in listed.splitlines()[1:]]
    assert sorted((row[1], row[3]) for row in rows) == [
        ("anna", "admin"), ("anna", "run,finetunes"), ("ci", "run"),
    ]  # fmt: skip
    (revoke,) = examples(PRIVATE, "sh", "token revoke")
    fireside(revoke.replace("0123456789abcdef", rows[0][0][:8]))
    assert "Z" in fireside("fireside token list").splitlines()[1].split()[-1]
