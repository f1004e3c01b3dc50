"""`fireside engine`."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from fireside.cli.main import app
from fireside.engine.registry import kinds


def test_the_list_has_every_engine_and_what_it_misses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FIRESIDE_VLLM_PYTHON", raising=False)
    result = CliRunner().invoke(app, ["engine", "list", "--data-dir", str(tmp_path)])
    assert result.exit_code == 0
    states = dict(line.split(maxsplit=1) for line in result.output.splitlines())
    assert sorted(states) == kinds()
    assert states["onnx"] == "ready"
    assert states["vllm"].endswith("fireside engine install vllm")


def test_only_what_can_be_installed_is(tmp_path: Path) -> None:
    for arguments in (["onnx"], ["vllm", "--cpu", "--cuda"]):
        result = CliRunner().invoke(app, ["engine", "install", *arguments, "--data-dir", str(tmp_path)])
        assert result.exit_code == 2
    assert list(tmp_path.iterdir()) == []
