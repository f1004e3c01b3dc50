"""How much memory there is: the machine's, or the container's limit where that is less."""

import os
from pathlib import Path

import psutil
import pytest

from fireside.engine import memory
from fireside.engine.memory import machine_memory

TERABYTES = 1 << 50


@pytest.fixture
def limit_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stands where the kernel says the container's limit."""
    path = tmp_path / "memory.max"
    monkeypatch.setattr(memory, "_CGROUP_LIMITS", (str(tmp_path / "missing"), str(path)))
    return path


def test_the_machines_own_memory(limit_file: Path) -> None:
    assert machine_memory() == psutil.virtual_memory().total


@pytest.mark.parametrize(
    "text", ["max\n", "", "nonsense", f"{TERABYTES}\n", "9223372036854771712\n", "-1"], ids=lambda text: repr(text)
)
def test_a_limit_that_limits_nothing(limit_file: Path, text: str) -> None:
    limit_file.write_text(text)
    assert machine_memory() == psutil.virtual_memory().total


def test_a_containers_limit(limit_file: Path) -> None:
    limit_file.write_text("104857600\n")
    assert machine_memory() == 104857600


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="needs a user that may not read everything")
def test_a_limit_that_cannot_be_read(limit_file: Path) -> None:
    limit_file.write_text("104857600\n")
    limit_file.chmod(0)
    assert machine_memory() == psutil.virtual_memory().total


def test_this_machines_memory_is_some() -> None:
    assert 1 << 26 < machine_memory() < TERABYTES
