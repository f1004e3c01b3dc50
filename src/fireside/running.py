"""How commands find the servers that run on a data folder, and how they prove to come from its owner.

A server that listens keeps two files in DATA_DIR/servers: NAME.json says where it is and has a secret made for this
run, NAME.lock is locked by the system for as long as the process lives, however it ends. So a file that was left behind
is known as such, whoever has the process id or the port by now, and its secret opens nothing any more.

The folder and its files are for their owner only, and files of anybody else are not believed: a command sends prompts
to the address in them.
"""

import json
import os
import secrets
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

FOLDER = "servers"
_MAX_BYTES = 4096


@dataclass(frozen=True, slots=True)
class RunningServer:
    """A server on this machine.

    Args:
        url: base URL as this machine reaches it, without a slash at its end.
        started_at: seconds since 1970.
        secret: lets a request act for the owner of the data folder, while this server runs.
    """

    url: str
    pid: int
    started_at: float
    secret: str = field(repr=False)


def new_secret() -> str:
    """256 random bits as text."""
    return secrets.token_hex(32)


@contextmanager
def announced(data_dir: Path, url: str, secret: str) -> Iterator[None]:
    """While this is open, `running_servers` finds this process. Raises OSError when the files cannot be made."""
    folder = data_dir / FOLDER
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / f"{secrets.token_hex(8)}.json"
    server = RunningServer(url, os.getpid(), time.time(), secret)
    lock = FileLock(path.with_suffix(".lock"), mode=0o600)
    with lock:
        try:
            _write_private(path, json.dumps(asdict(server)).encode())
            yield
        finally:
            _forget(path)


def running_servers(data_dir: Path) -> list[RunningServer]:
    """The servers that run on this data folder, the longest first. What dead ones have left is removed."""
    folder = data_dir / FOLDER
    if not folder.is_dir():
        return []
    owners = {_owner(data_dir.stat()), _owner()}
    found = [server for path in folder.glob("*.json") if (server := _look(path, owners))]
    return sorted(found, key=lambda server: server.started_at)


def _look(path: Path, owners: set[int]) -> RunningServer | None:
    server = _read(path, owners)
    if server is None:
        return None
    lock = FileLock(path.with_suffix(".lock"), mode=0o600)
    try:
        with lock.acquire(timeout=0):
            _forget(path)  # nobody holds it: that server is dead
    except Timeout:
        return server
    except OSError:
        pass
    return None


def _read(path: Path, owners: set[int]) -> RunningServer | None:
    """What a file says, if it is one that a server of these owners has written."""
    try:
        with path.open("rb") as file:
            state = os.fstat(file.fileno())
            private = os.name == "nt" or not stat.S_IMODE(state.st_mode) & 0o077
            data: Any = json.loads(file.read(_MAX_BYTES))
        if not private or _owner(state) not in owners:
            return None
        server = RunningServer(str(data["url"]), int(data["pid"]), float(data["started_at"]), str(data["secret"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return server if server.url.startswith("http://") else None


def _owner(state: os.stat_result | None = None) -> int:
    """Of a file, or else of this process."""
    if os.name == "nt":  # the user's own folder is closed to others there
        return 0
    return os.getuid() if state is None else state.st_uid


def _write_private(path: Path, content: bytes) -> None:
    """Write a file that nobody else can read at any time, and that is there as a whole or not at all."""
    handle, temporary = tempfile.mkstemp(dir=path.parent)  # 0600
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise


def _forget(path: Path) -> None:
    for file in (path, path.with_suffix(".lock")):
        with suppress(OSError):
            file.unlink(missing_ok=True)
