"""The recipe for CI, run as it is written: a fresh environment, a fresh data folder, a project with `npm test`."""

import json
import os
import shutil
import signal
import socket
import subprocess
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from support.command import environment
from support.documents import ROOT, examples

TEST = """
const url = `${process.env.AI_BASE_URL}/accounts/local/ai/run/@hf/thebloke/openhermes-2.5-mistral-7b-awq`;
const answer = await fetch(url, { method: "POST", body: JSON.stringify({ prompt: "ping" }) });
if ((await answer.json()).result.response !== "ping") process.exit(1);
"""


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Code of a user's whose test asks a model that is not here."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "test.mjs").write_text(TEST, encoding="utf-8")
    (folder / "package.json").write_text(json.dumps({"scripts": {"test": "node test.mjs"}}), encoding="utf-8")
    return folder


@pytest.fixture
def runner(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of a machine that has Python and nothing else; what its steps left running ends with it."""
    venv.create(tmp_path / "venv", with_pip=True)
    data = tmp_path / "data"
    path = os.pathsep.join([str(tmp_path / "venv" / "bin"), os.environ["PATH"]])
    yield environment(data, {"PATH": path, "PIDS": str(tmp_path / "pids")})
    for line in (tmp_path / "pids").read_text(encoding="utf-8").split():
        os.killpg(int(line), signal.SIGTERM)


@pytest.mark.skipif(not all(map(shutil.which, ["curl", "npm"])), reason="needs curl and npm")
def test_the_recipe_for_ci_does_what_it_says(runner: dict[str, str], project: Path, tmp_path: Path) -> None:
    (recipe,) = examples("docs/echo.md", "yaml", "/ready")
    port = str(_free_port())
    install, serve, test = yaml.safe_load(recipe.replace("8787", port))
    # Its output goes to files: whoever holds a pipe open keeps its reader waiting.
    for number, (step, folder) in enumerate([(install, ROOT), (serve, project), (test, project)]):
        said = tmp_path / f"{number}.txt"
        with said.open("wb") as log:
            process = subprocess.Popen(
                ["sh", "-ec", step["run"]],
                cwd=folder,
                env=runner | {"FIRESIDE_PORT": port} | step.get("env", {}),
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            if step is serve:
                (tmp_path / "pids").write_text(str(process.pid), encoding="utf-8")
            assert process.wait(timeout=300) == 0, said.read_text(encoding="utf-8", errors="replace")
