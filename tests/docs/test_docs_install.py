"""The README from its first line on, in a fresh clone: what a new user pastes, and what they see."""

import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.command import environment
from support.documents import ROOT, examples

MAX_LINES = 25

needs = pytest.mark.skipif(not all(map(shutil.which, ["git", "make", "curl"])), reason="needs git, make and curl")


@pytest.fixture
def started(server_data: Path, tmp_path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """What the first commands print until they wait, and the environment of the terminal they were pasted into."""
    (commands,) = examples("README.md", "sh", "git clone")
    # No `fireside` from elsewhere: the new user has none.
    places = [place for place in os.environ["PATH"].split(os.pathsep) if not Path(place, "fireside").exists()]
    settings = environment(server_data, {"FIRESIDE_PORT": "0", "PATH": os.pathsep.join(places)})
    with subprocess.Popen(
        ["sh", "-ec", commands.replace("ADDRESS", str(ROOT))],
        cwd=tmp_path, env=settings, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        printed = ""
        for line in process.stdout:
            printed += line
            if line.startswith("Ctrl-C"):
                break
        try:
            yield printed, settings
        finally:
            os.killpg(process.pid, signal.SIGINT)
            process.stdout.read()
            process.wait(timeout=60)


@needs
def test_the_first_commands_of_the_readme_lead_to_an_answer(
    started: tuple[str, dict[str, str]], tmp_path: Path
) -> None:
    printed, settings = started
    assert len(printed.splitlines()) < MAX_LINES, printed
    curl = re.search(r"^ *(curl .*)$", printed, re.MULTILINE)
    assert curl, printed
    answer = subprocess.run(["sh", "-ec", f"{curl[1]} --silent"], capture_output=True, text=True, timeout=60)
    assert "Paris" in json.loads(answer.stdout)["result"]["response"]
    # The line that says where the command is, in another terminal and another folder; then the README's own.
    [hint] = re.findall(r"in another terminal: (.*)", printed)
    (activate,) = examples("README.md", "sh", "activate")
    for shell in (hint, activate):
        done = subprocess.run(
            ["sh", "-ec", f"{shell}\nfireside models"], cwd=tmp_path, env=settings, capture_output=True, text=True
        )
        assert "smollm2-135m-instruct" in done.stdout, done.stderr
