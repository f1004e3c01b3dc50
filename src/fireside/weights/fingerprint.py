"""A cheap mark of what a set of weight files holds, for the cache of repacked weights."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from fireside.errors import BadWeights


def fingerprint_files(files: Mapping[Path, int]) -> str:
    """Hex SHA-256 over each file's name, size, time of change and first bytes.

    Args:
        files: path to how many of its first bytes count (its header; a small file's whole).

    Raises BadWeights when a file cannot be read.
    """
    digest = hashlib.sha256()
    for path, length in sorted(files.items()):
        try:
            with path.open("rb") as file:
                head = file.read(length)
            stat = path.stat()
        except OSError as error:
            raise BadWeights(f"{path.name}: cannot be read: {error.strerror}.") from error
        digest.update(repr((path.name, stat.st_size, stat.st_mtime_ns, len(head))).encode())
        digest.update(head)
    return digest.hexdigest()
