import os
import shutil
import subprocess
from pathlib import Path

import pytest

from fireside.cli.completion import Shell, complete_models
from support.command import command_line, environment, run_command

ID = "@hf/thebloke/openhermes-2.5-mistral-7b-awq"


@pytest.mark.parametrize("shell", list(Shell))
def test_a_script_for_each_shell(shell: Shell, tmp_path: Path) -> None:
    done = run_command("completion", shell, data_dir=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "_FIRESIDE_COMPLETE" in done.stdout


def test_an_unknown_shell(tmp_path: Path) -> None:
    done = run_command("completion", "tcsh", data_dir=tmp_path)
    assert done.returncode == 2
    assert "'bash', 'zsh', 'fish', 'powershell'" in done.stderr


@pytest.mark.skipif(not shutil.which("bash"), reason="needs bash")
@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("fireside st", "stop"),
        ("fireside run openh", "openhermes-2.5-mistral-7b-awq"),
        ("fireside models --js", "--json"),
    ],
)
def test_bash_completes(typed: str, completed: str, tmp_path: Path) -> None:
    command = tmp_path / "bin" / "fireside"
    command.parent.mkdir()
    words = " ".join(f"'{word}'" for word in command_line())
    command.write_text(f'#!/bin/sh\nexec {words} "$@"\n')
    command.chmod(0o755)
    script = run_command("completion", "bash", data_dir=tmp_path).stdout
    program = (
        f"{script}\nCOMP_WORDS=({typed}); COMP_CWORD=$(({len(typed.split())} - 1)); _fireside_completion fireside; "
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    path = {"PATH": f"{command.parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "-c", program], env=environment(tmp_path, path), capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.split() == [completed], done.stderr


def test_models_by_their_last_part_or_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIRESIDE_DATA_DIR", str(tmp_path))
    assert complete_models("openh") == [ID.rpartition("/")[2]]
    assert complete_models("@hf/thebloke/open") == [ID]
    assert complete_models("nothing") == []
    (tmp_path / "catalog").mkdir()
    (tmp_path / "catalog" / "broken.toml").write_text("id =")
    assert complete_models("openh") == []
