import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fireside.running import announced, new_secret, running_servers

URL = "http://127.0.0.1:8787"
posix = pytest.mark.skipif(sys.platform == "win32", reason="modes and owners as POSIX has them")


@contextmanager
def server_process(data_dir: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that is announced until it is killed."""
    program = (
        "import pathlib, sys, time; from fireside.running import announced\n"
        f"with announced(pathlib.Path(sys.argv[1]), {URL!r}, 'secret'):\n"
        "    print('there', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(data_dir)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "there\n"
        try:
            yield process
        finally:
            process.kill()


def test_found_while_it_runs_and_gone_afterwards(tmp_path: Path) -> None:
    assert running_servers(tmp_path) == []
    secret = new_secret()
    with announced(tmp_path, URL, secret):
        [server] = running_servers(tmp_path)
        assert (server.url, server.pid, server.secret) == (URL, os.getpid(), secret)
        assert secret not in repr(server)
    assert running_servers(tmp_path) == []
    assert list((tmp_path / "servers").iterdir()) == []


def test_two_servers_on_one_folder(tmp_path: Path) -> None:
    with announced(tmp_path, URL, "a"), announced(tmp_path, "http://127.0.0.1:9000", "b"):
        assert [server.secret for server in running_servers(tmp_path)] == ["a", "b"]


@posix
def test_only_its_owner_can_read_it(tmp_path: Path) -> None:
    with announced(tmp_path, URL, "secret"):
        folder = tmp_path / "servers"
        modes = {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
        assert (stat.S_IMODE(folder.stat().st_mode), modes) == (0o700, {0o600})


def test_a_server_that_was_killed_is_forgotten(tmp_path: Path) -> None:
    with server_process(tmp_path) as process:
        assert [server.pid for server in running_servers(tmp_path)] == [process.pid]
        process.kill()
        process.wait()
        [left] = (tmp_path / "servers").glob("*.json")
        # Its process id may be anybody's by now: here it is one that lives.
        left.write_text(json.dumps({**json.loads(left.read_text()), "pid": os.getpid()}))
        assert running_servers(tmp_path) == []
    assert list((tmp_path / "servers").iterdir()) == []


def test_asking_does_not_disturb_a_server(tmp_path: Path) -> None:
    with server_process(tmp_path):
        assert [len(running_servers(tmp_path)) for _ in range(3)] == [1, 1, 1]


@posix
@pytest.mark.parametrize("flaw", ["mode", "owner", "empty", "no object", "no url", "elsewhere", "too long"])
def test_a_file_that_no_server_of_ours_wrote_is_not_believed(flaw: str, tmp_path: Path) -> None:
    with announced(tmp_path, URL, "secret"):
        [path] = (tmp_path / "servers").glob("*.json")
        said = json.loads(path.read_text())
        match flaw:
            case "mode":
                path.chmod(0o644)
            case "owner":
                if os.getuid() != 0:
                    pytest.skip("only root can give files away")
                os.chown(path, 12345, 12345)
            case "empty":
                path.write_text("")
            case "no object":
                path.write_text("[]")
            case "no url":
                path.write_text(json.dumps({**said, "url": None}))
            case "elsewhere":
                path.write_text(json.dumps({**said, "url": "file:///etc/passwd"}))
            case "too long":
                path.write_text(json.dumps({**said, "more": "x" * 5000}))
        assert running_servers(tmp_path) == []
        assert path.exists()
