"""`tools/install.py` and what the Makefile does before it, in a copy with a lock of one package."""

import hashlib
import os
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest
from tools.install import _PACKAGE
from tools.locks import ROOT, Locked

from support.command import outside_make

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="make, and paths as POSIX has them")

NAME = "one-1.0-py3-none-any.whl"


def make_wheel(folder: Path, name: str, version: str) -> Locked:
    """Write a wheel, and what a lock file says of it."""
    path = folder / f"{name}-{version}-py3-none-any.whl"
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{name}.py", "")
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return Locked(name, version, "", (hashlib.sha256(path.read_bytes()).hexdigest(),))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheels")
    make_wheel(folder, "one", "1.0")
    return folder / NAME


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment."""
    folder = tmp_path_factory.mktemp("venv")
    venv.create(folder, with_pip=True)
    return folder


@pytest.fixture
def project(tmp_path: Path, wheel: Path) -> Path:
    """A copy whose set of extras is one package."""
    (tmp_path / "tools").mkdir()
    (tmp_path / "requirements").mkdir()
    shutil.copy(ROOT / "tools/install.py", tmp_path / "tools")
    shutil.copy(ROOT / "Makefile", tmp_path)
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    (tmp_path / "requirements/extras.txt").write_text(Locked("one", "1.0", "", (digest,)).text(), encoding="utf-8")
    return tmp_path


def install(project: Path, environment: Path, wanted: str = "extras", **pip: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    return subprocess.run(
        [environment / "bin/python", project / "tools/install.py", wanted],
        env=clean | {"PIP_CONFIG_FILE": os.devnull, **pip}, capture_output=True, text=True, timeout=120,
    )  # fmt: skip


def test_an_installation_says_two_lines(project: Path, environment: Path, wheel: Path) -> None:
    done = install(project, environment, PIP_NO_INDEX="1", PIP_FIND_LINKS=str(wheel.parent))
    assert (done.returncode, done.stderr) == (0, "")
    first, last = done.stdout.splitlines()
    assert first.startswith("Installing up to 1 packages into ")
    assert last.startswith("Installed in ")
    subprocess.run([environment / "bin/python", "-c", "import one"], check=True)


def test_on_a_terminal_one_line_moves(project: Path, environment: Path, wheel: Path) -> None:
    subprocess.run([environment / "bin/python", "-m", "pip", "uninstall", "-qy", "one"], capture_output=True)
    settings = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheel.parent), "PIP_CONFIG_FILE": os.devnull}
    try:
        ours, theirs = os.openpty()
    except OSError as error:
        pytest.skip(f"no terminals here: {error}")
    command: list[str | Path] = [environment / "bin/python", project / "tools/install.py", "extras"]
    with open(ours, "rb", buffering=0) as terminal:
        with open(theirs, "wb") as end:
            subprocess.run(command, env=os.environ | settings, stdin=subprocess.DEVNULL, stdout=end, check=True)
        printed = terminal.read(65536)
    assert b"\r\x1b[KInstalling: writing 1 packages\r\x1b[K" in printed


@pytest.mark.parametrize(
    "line",
    [
        "Collecting one-more.thing==1.0 (from -r requirements/runtime.txt (line 4))",
        "Requirement already satisfied: one-more.thing in ./.venv/lib (from -r requirements/runtime.txt) (1.0)",
    ],
)
def test_packages_are_known_from_what_pip_says(line: str) -> None:
    package = _PACKAGE.match(line)
    assert package
    assert package[1] == "one-more.thing"


def test_without_a_network_one_sentence_says_what_to_do(project: Path, environment: Path) -> None:
    subprocess.run([environment / "bin/python", "-m", "pip", "uninstall", "-qy", "one"], capture_output=True)
    done = install(project, environment, PIP_INDEX_URL="http://127.0.0.1:9/simple", PIP_RETRIES="1")
    assert done.returncode == 1
    sentence, log = done.stderr.splitlines()
    assert sentence.startswith("The package index cannot be reached. The first installation needs the network")
    assert "run the same command again" in sentence
    assert "install.log" in log


def test_what_was_not_published_is_not_installed(project: Path, environment: Path, tmp_path: Path, wheel: Path) -> None:
    subprocess.run([environment / "bin/python", "-m", "pip", "uninstall", "-qy", "one"], capture_output=True)
    (tmp_path / "mirror").mkdir()
    shutil.copy(wheel, tmp_path / "mirror")
    with zipfile.ZipFile(tmp_path / "mirror" / NAME, "a") as archive:
        archive.writestr("one_more.py", "print('changed')")
    done = install(project, environment, PIP_NO_INDEX="1", PIP_FIND_LINKS=str(tmp_path / "mirror"))
    assert done.returncode == 1
    assert done.stderr.startswith("What the package index sent is not what was published")
    assert subprocess.run([environment / "bin/python", "-c", "import one"], capture_output=True).returncode == 1


def test_no_wheel_for_this_machine_is_said(project: Path, environment: Path, tmp_path: Path) -> None:
    subprocess.run([environment / "bin/python", "-m", "pip", "uninstall", "-qy", "one"], capture_output=True)
    done = install(project, environment, PIP_NO_INDEX="1", PIP_FIND_LINKS=str(tmp_path))
    assert done.returncode == 1
    assert done.stderr.startswith("There is no wheel for this Python or this machine.")


def test_the_cpu_build_of_torch_is_taken_where_pip_finds_one(project: Path, environment: Path, tmp_path: Path) -> None:
    public, cpu = tmp_path / "public", tmp_path / "cpu"
    public.mkdir()
    cpu.mkdir()
    requirements = project / "requirements"
    (requirements / "dev.txt").write_text(make_wheel(public, "one", "1.0").text(), encoding="utf-8")
    (requirements / "torch.txt").write_text(make_wheel(public, "torch", "1.0").text(), encoding="utf-8")
    (requirements / "torch-cpu.txt").write_text(make_wheel(cpu, "torch", "1.0+cpu").text(), encoding="utf-8")
    for folders, version in [([public], "1.0"), ([public, cpu], "1.0+cpu")]:
        links = " ".join(map(str, folders))
        done = install(project, environment, "dev", PIP_NO_INDEX="1", PIP_FIND_LINKS=links)
        assert (done.returncode, done.stderr) == (0, "")
        shown = subprocess.run(
            [environment / "bin/python", "-c", "from importlib.metadata import version; print(version('torch'))"],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert shown.stdout.strip() == version


@pytest.mark.skipif(not shutil.which("make"), reason="needs make")
@pytest.mark.parametrize(
    ("lacks", "said"),
    [
        ("sys.version_info", "Fireside needs Python 3.11 or later"),
        ("import ensurepip", "python3.12 cannot make virtual environments. On Debian and Ubuntu, as root: apt "),
    ],
)  # fmt: skip
def test_a_python_that_will_not_do_is_told_in_one_sentence(project: Path, lacks: str, said: str) -> None:
    python = project / "python3.12"
    python.write_text(f'#!/bin/sh\ncase "$2" in *"{lacks}"*) exit 1;; esac\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    done = subprocess.run(
        ["make", f"PYTHON={python}", "extras"], cwd=project, env=outside_make(), capture_output=True, text=True
    )
    assert done.returncode == 2
    [line] = done.stdout.splitlines()
    assert said in line
    assert ("python3.12-venv" in line) == (lacks == "import ensurepip")
    assert not (project / ".venv").exists()


@pytest.mark.skipif(not shutil.which("make"), reason="needs make")
def test_a_missing_python_is_told(project: Path) -> None:
    done = subprocess.run(
        ["make", "PYTHON=python3.99", "extras"], cwd=project, env=outside_make(), capture_output=True, text=True
    )
    assert "python3.99 is older or missing. Name another: make PYTHON=python3.12 serve" in done.stdout
