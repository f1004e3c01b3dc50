from pathlib import Path

import pytest

from fireside.catalog.spec import FolderSource, NoSource
from fireside.errors import ModelNotDownloaded, for_operators
from fireside.weights.locate import is_downloaded, locate, mark_complete, model_dir, size_on_disk, unmark
from support.model_sources import hub_source, model_spec, wheel_source

HUB = model_spec(hub_source("config.json"))


def test_no_files_needed(tmp_path: Path) -> None:
    spec = model_spec(NoSource(kind="none"))
    assert locate(tmp_path, spec) is None
    assert is_downloaded(tmp_path, spec)
    assert size_on_disk(tmp_path, spec) == 0


def test_a_users_own_folder(tmp_path: Path) -> None:
    spec = model_spec(FolderSource(kind="folder", path=str(tmp_path / "mine")))
    with pytest.raises(ModelNotDownloaded, match=r"nothing at the source\.path") as caught:
        locate(tmp_path, spec)
    assert str(tmp_path) not in str(caught.value)
    assert str(tmp_path / "mine") in for_operators(caught.value)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "weights").write_bytes(bytes(10))
    assert locate(tmp_path, spec) == tmp_path / "mine"
    assert size_on_disk(tmp_path, spec) == 10


def test_a_users_own_gguf_file(tmp_path: Path) -> None:
    spec = model_spec(FolderSource(kind="folder", path=str(tmp_path / "mine.gguf")))
    assert not is_downloaded(tmp_path, spec)
    (tmp_path / "mine.gguf").write_bytes(bytes(10))
    (tmp_path / "other").write_bytes(bytes(5))
    assert locate(tmp_path, spec) == tmp_path / "mine.gguf"
    assert size_on_disk(tmp_path, spec) == 10


def test_a_split_file_has_the_size_of_its_parts(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        (tmp_path / f"mine-0000{number}-of-00003.gguf").write_bytes(bytes(number))
    spec = model_spec(FolderSource(kind="folder", path=str(tmp_path / "mine-00001-of-00003.gguf")))
    assert size_on_disk(tmp_path, spec) == 6


@pytest.mark.parametrize("place", ["closed/mine.gguf", "gone\0.gguf", "link"])
def test_what_cannot_be_looked_at_is_not_there(tmp_path: Path, place: str) -> None:
    (tmp_path / "closed").write_bytes(b"a file, not a folder")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    spec = model_spec(FolderSource(kind="folder", path=str(tmp_path / place)))
    assert not is_downloaded(tmp_path, spec)
    assert size_on_disk(tmp_path, spec) == 0


def test_the_error_says_the_command(tmp_path: Path) -> None:
    with pytest.raises(ModelNotDownloaded, match="Run: fireside pull @hf/someone/tiny"):
        locate(tmp_path, HUB)


def test_only_a_marked_folder_counts(tmp_path: Path) -> None:
    folder = model_dir(tmp_path, HUB)
    folder.mkdir(parents=True)
    (folder / "config.json").write_bytes(b"{}")
    assert not is_downloaded(tmp_path, HUB)
    mark_complete(folder, {"config.json": 2})
    assert locate(tmp_path, HUB) == folder
    (folder / "config.json").write_bytes(b"{")
    assert not is_downloaded(tmp_path, HUB)
    (folder / "config.json").write_bytes(b"{}")
    unmark(folder)
    assert not is_downloaded(tmp_path, HUB)


@pytest.mark.parametrize("marker", [b"", b"[]", b"{}", b'{"files": 1}', b'{"files": {"a": "x"}}', b"\xff"])
def test_a_damaged_marker_counts_as_none(tmp_path: Path, marker: bytes) -> None:
    folder = model_dir(tmp_path, HUB)
    folder.mkdir(parents=True)
    (folder / ".complete.json").write_bytes(marker)
    assert not is_downloaded(tmp_path, HUB)


def test_a_wheels_model_is_its_file(tmp_path: Path) -> None:
    spec = model_spec(wheel_source(b"wheel", b"member"))
    folder = model_dir(tmp_path, spec)
    folder.mkdir(parents=True)
    (folder / "tiny.gguf").write_bytes(b"member")
    mark_complete(folder, {"tiny.gguf": 6})
    assert locate(tmp_path, spec) == folder / "tiny.gguf"


def test_each_source_has_its_own_folder(tmp_path: Path) -> None:
    other = model_spec(hub_source("config.json", revision="v2"))
    cased = model_spec(hub_source("config.json"), "@hf/someone/TINY")
    folders = {str(model_dir(tmp_path, spec)).lower() for spec in (HUB, other, cased)}
    assert len(folders) == 3
