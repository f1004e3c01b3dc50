"""The command in this process, with a data folder of its own."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from fireside.cli.main import app

Fireside = Callable[..., Result]


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def fireside(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Fireside:
    for name in [name for name in os.environ if name.startswith(("FIRESIDE_", "HF_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("FIRESIDE_DATA_DIR", str(data_dir))

    def run(*arguments: str, stdin: str = "") -> Result:
        return CliRunner().invoke(app, arguments, input=stdin)

    return run
