"""The cache of repacked weights: whole or not there, never somebody else's, and never in the way."""

import errno
import logging
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open

from fireside.engine.onnx.layout import TensorSpec
from fireside.engine.onnx.packed_file import ALIGNMENT, PackedFile

SPECS = [
    TensorSpec("a", np.dtype(np.float32), (3, 5)),
    TensorSpec("b.codes", np.dtype(np.uint8), (7,)),
    TensorSpec("c", np.dtype(np.float16), (2, 2, 2)),
    TensorSpec("d", np.dtype(np.float32), (1000, 100)),
]
posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX files and signals")


def fill(file: PackedFile) -> None:
    for index, spec in enumerate(SPECS):
        file.tensors[spec.name][...] = (np.arange(np.prod(spec.shape)) % 50 + index).reshape(spec.shape)


def assert_filled(file: PackedFile) -> None:
    for index, spec in enumerate(SPECS):
        expected = (np.arange(np.prod(spec.shape)) % 50 + index).reshape(spec.shape)
        np.testing.assert_array_equal(file.tensors[spec.name], expected)
        assert file.tensors[spec.name].dtype == spec.dtype


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "weights.safetensors"


def make(path: Path, key: str = "key") -> PackedFile:
    file = PackedFile(SPECS, path, key)
    assert not file.warm
    fill(file)
    file.finish()
    return file


def names(path: Path) -> list[str]:
    return sorted(entry.name for entry in path.parent.iterdir())


def test_the_next_start_only_maps_it(path: Path) -> None:
    assert_filled(make(path))
    again = PackedFile(SPECS, path, "key")
    assert again.warm
    assert_filled(again)
    assert not again.tensors["a"].flags.writeable
    before = path.stat().st_mtime_ns
    again.finish()
    again.drop_pages()
    assert_filled(again)
    assert path.stat().st_mtime_ns == before
    assert names(path) == [path.name]


def test_it_appears_only_when_it_is_finished(path: Path) -> None:
    file = PackedFile(SPECS, path, "key")
    fill(file)
    assert not path.exists()
    assert not PackedFile(SPECS, path, "key").warm
    file.finish()
    assert PackedFile(SPECS, path, "key").warm


def test_any_tool_can_read_it(path: Path) -> None:
    make(path)
    with safe_open(path, "numpy") as file:
        assert file.metadata() == {"key": "key"}
        np.testing.assert_array_equal(file.get_tensor("b.codes"), np.arange(7) + 1)
        assert {spec.name for spec in SPECS} <= set(file.keys())


def test_tensors_are_aligned(path: Path) -> None:
    for tensor in PackedFile(SPECS, path, "key").tensors.values():
        assert tensor.ctypes.data % ALIGNMENT == 0


def test_without_a_path_it_stays_in_memory() -> None:
    file = PackedFile(SPECS, None, "key")
    fill(file)
    file.finish()
    file.drop_pages()
    assert_filled(file)


def test_dropping_pages_loses_nothing(path: Path) -> None:
    file = PackedFile(SPECS, path, "key")
    fill(file)
    file.drop_pages()
    assert_filled(file)
    file.finish()
    assert_filled(PackedFile(SPECS, path, "key"))


def other_key(path: Path) -> None:
    make(path, "another")


def truncated(path: Path) -> None:
    os.truncate(make_at(path), path.stat().st_size - 1)


def longer(path: Path) -> None:
    with make_at(path).open("ab") as file:
        file.write(b"x")


def empty(path: Path) -> None:
    make_at(path).write_bytes(b"")


def damaged_header(path: Path) -> None:
    with make_at(path).open("r+b") as file:
        file.seek(30)
        file.write(b"\0")


def other_tensors(path: Path) -> None:
    PackedFile([SPECS[0]], path, "key").finish()


def make_at(path: Path) -> Path:
    make(path)
    return path


@pytest.mark.parametrize("damage", [other_key, truncated, longer, empty, damaged_header, other_tensors])
def test_what_is_not_this_is_made_again(path: Path, damage: Callable[[Path], None]) -> None:
    damage(path)
    file = make(path)
    assert_filled(file)
    again = PackedFile(SPECS, path, "key")
    assert again.warm
    assert_filled(again)
    assert names(path) == [path.name]


@posix
def test_who_still_maps_the_old_file_is_not_disturbed(path: Path) -> None:
    make(path)
    old = PackedFile(SPECS, path, "key")
    PackedFile([SPECS[0]], path, "new").finish()
    assert_filled(old)


PACKING = """
import os, sys
from pathlib import Path
import numpy as np
from fireside.engine.onnx.layout import TensorSpec
from fireside.engine.onnx.packed_file import PackedFile

file = PackedFile([TensorSpec("a", np.dtype(np.float32), (3, 5))], Path(sys.argv[1]), "key")
file.tensors["a"][:2] = 7
print("packing", flush=True)
sys.stdin.read()
file.tensors["a"][...] = 8
file.finish()
print("done", flush=True)
"""


def start_packing(path: Path) -> "subprocess.Popen[bytes]":
    """Another process that stops in the middle of its work."""
    command = [sys.executable, "-c", PACKING, str(path)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout
    assert process.stdout.readline() == b"packing\n"
    return process


@posix
def test_a_process_killed_halfway_leaves_nothing_wrong(path: Path) -> None:
    with start_packing(path) as process:
        process.send_signal(signal.SIGKILL)
    assert len(names(path)) == 1
    assert not path.exists()
    assert_filled(make(path))
    assert names(path) == [path.name]


@posix
def test_two_processes_that_pack_leave_each_other_alone(path: Path) -> None:
    """Of the same model or of another: both finish, and each works on a file of its own."""
    other = path.with_name("other.safetensors")
    with start_packing(other) as process:
        mine = PackedFile(SPECS, path, "key")
        theirs = PackedFile([SPECS[0]], other, "key")
        fill(mine)
        assert len(names(path)) == 3
        assert process.communicate(b"")[0] == b"done\n"
        mine.finish()
        theirs.discard()
    assert names(path) == ["other.safetensors", path.name]
    assert PackedFile(SPECS, path, "key").warm
    done = PackedFile([SPECS[0]], other, "key")
    assert done.warm
    assert (done.tensors["a"] == 8).all()


def test_what_is_discarded_is_gone(path: Path) -> None:
    file = PackedFile(SPECS, path, "key")
    file.discard()
    file.finish()
    assert names(path) == []
    fill(file)
    file.drop_pages()
    assert_filled(file)
    file.discard()


def test_files_of_others_stay(path: Path) -> None:
    path.parent.mkdir()
    strangers = ["notes.tmp", "download.part", "other.safetensors"]
    for name in strangers:
        (path.parent / name).write_text("x")
    make(path)
    assert names(path) == sorted([*strangers, path.name])


@posix
def test_a_full_disk(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A limit on the size of files stands for it: both refuse the blocks when they are asked for."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        file = PackedFile(SPECS, path, "key")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    fill(file)
    file.drop_pages()
    assert_filled(file)
    file.finish()
    assert names(path) == []
    assert os.strerror(errno.EFBIG) in caplog.text


def file_in_the_way(folder: Path) -> None:
    folder.write_text("not a folder")


def folder_in_the_way(folder: Path) -> None:
    (folder / "weights.safetensors").mkdir(parents=True)


@pytest.mark.parametrize("obstacle", [file_in_the_way, folder_in_the_way])
def test_a_place_that_cannot_be_used(
    path: Path, obstacle: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    obstacle(path.parent)
    file = make(path)
    assert_filled(file)
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="needs a user that may not write everywhere")
def test_a_folder_that_cannot_be_written(path: Path) -> None:
    path.parent.mkdir(mode=0o500)
    assert_filled(make(path))


def test_the_folder_goes_while_it_is_packed(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = PackedFile(SPECS, path, "key")
    fill(file)
    for entry in path.parent.iterdir():
        entry.unlink()
    path.parent.rmdir()
    file.finish()
    assert "cannot save the repacked weights" in caplog.text
    assert_filled(file)
