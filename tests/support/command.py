"""The `fireside` command as a child process."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path


def command_line(*arguments: str) -> list[str]:
    return [sys.executable, "-P", "-m", "fireside", *arguments]


def outside_make() -> dict[str, str]:
    """This process's environment without what `make test` tells a make below it."""
    told = ("MAKEFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "MFLAGS", "ARGS")
    return {name: value for name, value in os.environ.items() if name not in told}


def environment(data_dir: Path, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment, except for the settings, which are the defaults and this data folder."""
    kept = {name: value for name, value in outside_make().items() if not name.startswith(("FIRESIDE_", "HF_"))}
    return {**kept, "FIRESIDE_DATA_DIR": str(data_dir), "NO_PROXY": "127.0.0.1", **(extra or {})}


def run_command(*arguments: str, data_dir: Path, stdin: str = "", **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command_line(*arguments),
        env=environment(data_dir, settings),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
    )


def pull_default_model(data_dir: Path, gguf: Path) -> Path:
    """The data folder, with the default model in it."""
    pull = command_line("pull", "smollm2-135m-instruct", "--from", str(gguf))
    subprocess.run(pull, env=environment(data_dir), check=True, capture_output=True, timeout=300)
    return data_dir
