import random
from pathlib import Path

import httpx2
import pytest

from fireside.errors import DownloadFailed
from fireside.weights.download import http
from fireside.weights.download.http import Refused, fetch
from fireside.weights.download.progress import Progress, silent
from support.file_server import FileServer, Served

CONTENT = random.Random(1).randbytes(300_000)


@pytest.fixture
def part(tmp_path: Path) -> Path:
    return tmp_path / "file.part"


def bring(server: FileServer, part: Path, progress: Progress = silent) -> None:
    with httpx2.Client(timeout=http.TIMEOUT, trust_env=False, verify=False) as client:
        fetch(client, f"{server.url}/file", part, size=len(CONTENT), name="file", progress=progress)


def test_progress_tells_phase_and_bytes(server: FileServer, part: Path) -> None:
    server.files["/file"] = Served(CONTENT)
    seen: list[tuple[str, int, int]] = []
    bring(server, part, lambda *step: seen.append(step))
    assert part.read_bytes() == CONTENT
    assert seen[-1] == ("Downloading file", len(CONTENT), len(CONTENT))
    assert [done for _, done, _ in seen] == sorted(done for _, done, _ in seen)


def test_dropped_connections_are_taken_up_where_they_broke(server: FileServer, part: Path) -> None:
    server.files["/file"] = Served(CONTENT, cuts=[100_000, 50_000, 1])
    bring(server, part)
    assert part.read_bytes() == CONTENT
    assert server.ranges_of("/file") == ["", "bytes=100000-", "bytes=150000-", "bytes=150001-"]


def test_a_killed_run_is_taken_up(server: FileServer, part: Path) -> None:
    server.files["/file"] = Served(CONTENT)
    part.write_bytes(CONTENT[:12345])
    bring(server, part)
    assert part.read_bytes() == CONTENT
    assert server.ranges_of("/file") == ["bytes=12345-"]


def test_a_finished_part_asks_for_nothing(server: FileServer, part: Path) -> None:
    part.write_bytes(CONTENT)
    bring(server, part)
    assert server.requests == []


def test_a_part_that_is_too_long_is_dropped(server: FileServer, part: Path) -> None:
    server.files["/file"] = Served(CONTENT)
    part.write_bytes(CONTENT + b"more")
    bring(server, part)
    assert part.read_bytes() == CONTENT


def test_a_server_without_ranges_starts_over(server: FileServer, part: Path) -> None:
    server.files["/file"] = Served(CONTENT, ranges=False)
    part.write_bytes(b"\0" * 1000)
    bring(server, part)
    assert part.read_bytes() == CONTENT


def test_a_server_without_ranges_that_always_breaks_off_is_given_up(
    server: FileServer, part: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "ATTEMPTS", 2)
    server.files["/file"] = Served(CONTENT, ranges=False, cuts=[1000] * 50)
    with pytest.raises(DownloadFailed, match=r"broke off at 1,000 of 300,000 bytes.*same command again"):
        bring(server, part)
    assert len(server.requests) == 2


def test_passing_refusals_are_tried_again(server: FileServer, part: Path) -> None:
    server.files["/file"] = Served(CONTENT, statuses=[503])
    bring(server, part)
    assert part.read_bytes() == CONTENT


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_a_refusal_is_final(server: FileServer, part: Path, status: int) -> None:
    server.files["/file"] = Served(CONTENT, statuses=[status] * 9)
    with pytest.raises(Refused, match=f"answered {status}") as caught:
        bring(server, part)
    assert caught.value.status == status
    assert len(server.requests) == 1


def test_nobody_listening(server: FileServer, part: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "ATTEMPTS", 2)
    dead = FileServer("http://127.0.0.1:1")
    with pytest.raises(Refused):
        bring(dead, part)


@pytest.mark.parametrize("unsized", [False, True])
def test_more_than_expected_is_never_written(server: FileServer, part: Path, unsized: bool) -> None:
    server.files["/file"] = Served(CONTENT + b"x", unsized=unsized)
    with pytest.raises(DownloadFailed, match=r"another file.*login page"):
        bring(server, part)
    assert not part.exists() or part.stat().st_size <= len(CONTENT)


def test_a_login_page_is_told_from_the_file(server: FileServer, part: Path) -> None:
    server.files["/file"] = Served(b"<html>Please log in</html>", "text/html")
    with pytest.raises(Refused, match="another file, of 26 bytes instead of 300,000"):
        bring(server, part)
    assert not part.exists()


def test_an_interrupted_run_keeps_what_it_has(server: FileServer, part: Path) -> None:
    server.files["/file"] = Served(CONTENT)

    def interrupt(phase: str, done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bring(server, part, interrupt)
    kept = part.read_bytes()
    assert kept
    assert CONTENT.startswith(kept)
