"""The lock files and what checks them. The index is a list made here, except for one test that asks the public one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tools.check_locks import Files, check_files, check_ranges
from tools.lock import compile_lock
from tools.locks import PLATFORMS, PYTHONS, ROOT, Locked, lock_files, parse

from tools import check_locks

HASHES = [f"{number:064x}" for number in range(9)]


def listed(*names: str) -> Files:
    return [{"filename": name, "hashes": {"sha256": HASHES[number]}} for number, name in enumerate(names)]


def complaints(entry: Locked, files: Files) -> list[str]:
    return list(check_files(Path("lock.txt"), [entry], {entry.name: files}.__getitem__))


def test_what_is_written_is_read() -> None:
    entries = [
        Locked("one", "1.0", "", (HASHES[0],)),
        Locked("two-words", "2.1.post1", 'sys_platform != "win32" and python_full_version < "3.12"', tuple(HASHES)),
    ]
    text = "# a comment\n--only-binary :all:\n\n" + "".join(entry.text() for entry in entries)
    assert list(parse(text)) == entries


@pytest.mark.parametrize("path", lock_files(), ids=lambda path: path.name)
def test_every_lock_has_hashes_and_takes_wheels_only(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert "\n--only-binary :all:\n" in text
    entries = list(parse(text))
    assert entries
    assert [entry.name for entry in entries if not entry.hashes] == []


def test_a_release_with_every_hash_is_fine() -> None:
    files = listed("pure-1.0-py3-none-any.whl", "pure-1.0.tar.gz", "pure-1.1-py3-none-any.whl")
    assert complaints(Locked("pure", "1.0", "", tuple(HASHES[:2])), files) == []


@pytest.mark.parametrize(
    "missing",
    [
        "fast-1.0-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
        "fast-1.0-cp314-cp314-manylinux_2_28_aarch64.whl",
        "fast-1.0-cp312-cp312-macosx_11_0_arm64.whl",
        "fast-1.0-cp311-abi3-macosx_10_12_universal2.whl",
        "fast-1.0-cp39-abi3-win_amd64.whl",
        "fast-1.0.tar.gz",
    ],
)
def test_a_missing_hash_is_found(missing: str) -> None:
    files = listed("fast-1.0-py3-none-any.whl", missing)
    [complaint] = complaints(Locked("fast", "1.0", "", (HASHES[0],)), files)
    assert complaint == "lock.txt: fast 1.0 lacks the hashes of 1 of 2 files"


@pytest.mark.parametrize(
    "file",
    [
        "fast-1.0-cp310-cp310-manylinux_2_17_x86_64.whl",
        "fast-1.0-cp315-cp315-manylinux_2_17_x86_64.whl",
        "fast-1.0-cp314-cp314t-manylinux_2_17_x86_64.whl",
        "fast-1.0-cp312-cp312-musllinux_1_2_x86_64.whl",
        "fast-1.0-cp312-cp312-manylinux_2_17_s390x.whl",
        "fast-1.0-cp312-cp312-macosx_10_9_x86_64.whl",
        "fast-1.0-pp311-pypy311_pp73-win_amd64.whl",
        "fast-1.0-py3.11.egg",
        "fast-1.0.win32-py2.7.exe",
    ],
)
def test_files_for_other_machines_do_not_count(file: str) -> None:
    assert complaints(Locked("fast", "1.0", "", (HASHES[0],)), listed("fast-1.0-py3-none-any.whl", file)) == []


def test_yanked_files_do_not_count() -> None:
    files = listed("pure-1.0-py3-none-any.whl", "pure-1.0.tar.gz")
    files[1]["yanked"] = "broken"
    assert complaints(Locked("pure", "1.0", "", (HASHES[0],)), files) == []


def test_a_platform_without_a_wheel_is_named() -> None:
    everywhere = [
        f"fast-1.0-cp311-abi3-{kind}.whl" for kind in ("manylinux_2_31_x86_64", "macosx_11_0_arm64", "win_amd64")
    ]
    files = listed(*everywhere, "fast-1.0-cp311-abi3-manylinux_2_39_aarch64.whl")
    found = complaints(Locked("fast", "1.0", "", tuple(HASHES[:4])), files)
    assert found == [
        f"lock.txt: fast 1.0 has no wheel for Python 3.{minor} on linux-aarch64" for minor in (11, 12, 13, 14)
    ]
    assert complaints(Locked("fast", "1.0", 'platform_machine != "aarch64"', tuple(HASHES[:4])), files) == []


def test_markers_are_read_for_the_platform_not_for_this_machine() -> None:
    entry = Locked("one", "1", 'sys_platform == "win32" and python_full_version >= "3.13"', ())
    applying = {
        (python, platform.name) for python in PYTHONS for platform in PLATFORMS if entry.applies_to(python, platform)
    }
    assert applying == {((3, 13), "windows-x86_64"), ((3, 14), "windows-x86_64")}


def test_a_range_that_the_lock_does_not_meet_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "requirements").mkdir()
    for name in ("runtime", "extras", "dev", "torch", "build"):
        (tmp_path / "requirements" / f"{name}.txt").write_text(Locked("one", "1.0", "", ()).text(), encoding="utf-8")
    (tmp_path / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["builder>=1"]\n[project]\ndependencies = ["One>=1"]\n'
        '[project.optional-dependencies]\nmore = ["one<1"]\n[dependency-groups]\ndev = ["torch==2"]\n',
        encoding="utf-8",
    )
    monkeypatch.setattr(check_locks, "ROOT", tmp_path)
    monkeypatch.setattr("tools.locks.ROOT", tmp_path)
    assert list(check_ranges()) == [
        "extras.txt: pyproject.toml asks for one<1; locked: 1.0",
        "dev.txt: pyproject.toml asks for one<1; locked: 1.0",
        "torch.txt: pyproject.toml asks for torch==2; locked: nothing",
        "build.txt: pyproject.toml asks for builder>=1; locked: nothing",
    ]


@pytest.mark.parametrize(("ci", "status"), [("", 0), ("true", 1)])
def test_an_index_that_cannot_be_reached_is_said_and_fails_in_ci(ci: str, status: int) -> None:
    nowhere = {"HTTPS_PROXY": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9", "NO_PROXY": "", "CI": ci}
    done = subprocess.run(
        [sys.executable, "-m", "tools.check_locks"], cwd=ROOT, env=os.environ | nowhere, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (status, "")
    assert "were not compared with the package index, which cannot be reached" in done.stdout


def test_only_the_public_index_is_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (locked,) = [entry for entry in parse((ROOT / "requirements/runtime.txt").read_text()) if entry.name == "msgspec"]
    # A folder with another file of that release, in every place that pip or uv reads.
    (tmp_path / f"msgspec-{locked.version}-cp311-cp311-manylinux_2_17_x86_64.whl").write_bytes(b"not the published one")
    (tmp_path / "pip.conf").write_text(f"[global]\nno-index = true\nfind-links = {tmp_path}\n", encoding="utf-8")
    (tmp_path / "uv").mkdir()
    (tmp_path / "uv/uv.toml").write_text(f'no-index = true\nfind-links = ["{tmp_path}"]\n', encoding="utf-8")
    for name in ("PIP_FIND_LINKS", "UV_FIND_LINKS", "PIP_INDEX_URL", "UV_INDEX_URL", "UV_DEFAULT_INDEX"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    monkeypatch.setenv("UV_CONFIG_FILE", str(tmp_path / "uv/uv.toml"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    old = tmp_path / "old.txt"
    old.write_text(Locked("msgspec", locked.version, "", (HASHES[0],)).text(), encoding="utf-8")
    (compiled,) = parse(compile_lock(old, ["-"], [], stdin="msgspec"))
    assert compiled == locked
