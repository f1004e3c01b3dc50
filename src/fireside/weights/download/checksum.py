"""Checksums of files, with progress."""

import hashlib
from pathlib import Path

from fireside.errors import DownloadFailed
from fireside.weights.download.progress import Progress

CHUNK_BYTES = 1 << 20


def sha256_of(path: Path, progress: Progress) -> str:
    """Hex SHA-256 of the file."""
    return _digest(path, hashlib.sha256(), progress)


def git_blob_sha1_of(path: Path, progress: Progress) -> str:
    """Hex id that git gives to the file's content; the hub's listing has it for small files."""
    start = hashlib.sha1(f"blob {path.stat().st_size}\0".encode(), usedforsecurity=False)
    return _digest(path, start, progress)


def check_sha256(path: Path, expected: str, origin: str, progress: Progress) -> None:
    """Raises DownloadFailed when the file has another SHA-256."""
    found = sha256_of(path, progress)
    if found != expected:
        raise DownloadFailed(
            f"{origin} is not what the catalog expects: its SHA-256 is {found}, not {expected}. "
            "Try again; if it stays so, where it comes from holds another file."
        )


def _digest(path: Path, digest: "hashlib._Hash", progress: Progress) -> str:
    total = path.stat().st_size
    phase = f"Checking {path.name.removesuffix('.part')}"
    done = 0
    with path.open("rb", buffering=0) as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
            done += len(chunk)
            progress(phase, done, total)
    return digest.hexdigest()
