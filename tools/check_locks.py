"""Part of `make lint`: the lock files against pyproject.toml, and against the files that the public index lists.

For every locked release, each file that one of the platforms can install must have its hash in the lock, and each
platform that the release is locked for must have a wheel. An index that cannot be reached fails in CI; elsewhere it is
said and passed over, so that one can work on a train.
"""

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
from packaging.tags import Tag
from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)  # fmt: skip
from packaging.version import Version
from pip._internal.models.index import PyPI
from tools.locks import PLATFORMS, PYTHONS, ROOT, Locked, lock_files, parse, wanted, wheel_tags

Files = list[dict[str, Any]]
"""An index's list of a project's files, as the simple API's JSON has them."""

_AT_ONCE = 16


class Unreachable(Exception):
    """The index does not answer."""


def check_ranges() -> Iterator[str]:
    """What pyproject.toml asks for and a lock file lacks."""
    for name, requirements in wanted().items():
        locked: dict[str, list[str]] = {}
        for entry in parse((ROOT / "requirements" / name).read_text(encoding="utf-8")):
            locked.setdefault(entry.name, []).append(entry.version)
        for requirement in requirements:
            versions = locked.get(canonicalize_name(requirement.name), [])
            if not versions or not all(map(requirement.specifier.contains, versions)):
                yield f"{name}: pyproject.toml asks for {requirement}; locked: {', '.join(versions) or 'nothing'}"


def check_files(path: Path, entries: Iterable[Locked], files_of: Callable[[str], Files]) -> Iterator[str]:
    """What a lock file lacks of the files that the index lists.

    Args:
        files_of: the index's list for a project's name.
    """
    for entry in entries:
        published = {
            file["hashes"]["sha256"]: _tags_of(file["filename"])
            for file in files_of(entry.name)
            if not file.get("yanked") and _version_of(file["filename"]) == Version(entry.version)
        }
        runs_on = {
            (python, platform.name): wheel_tags(python, platform)
            for python in PYTHONS
            for platform in PLATFORMS
            if entry.applies_to(python, platform)
        }
        usable = {
            digest for digest, tags in published.items() if not tags or any(tags & known for known in runs_on.values())
        }
        if missing := usable.difference(entry.hashes):
            yield f"{path.name}: {entry.name} {entry.version} lacks the hashes of {len(missing)} of {len(usable)} files"
        for (python, platform), known in runs_on.items():
            if not any(tags & known for digest, tags in published.items() if digest in entry.hashes):
                version = "{}.{}".format(*python)
                yield f"{path.name}: {entry.name} {entry.version} has no wheel for Python {version} on {platform}"


def fetch_files(names: Iterable[str]) -> dict[str, Files]:
    """What the public index lists, by project. Raises Unreachable."""
    accept = {"accept": "application/vnd.pypi.simple.v1+json"}
    with httpx.Client(
        headers=accept, timeout=30, follow_redirects=True, limits=httpx.Limits(max_connections=_AT_ONCE)
    ) as client:

        def fetch(name: str) -> tuple[str, Files]:
            answer = client.get(f"{PyPI.simple_url}/{name}/")
            answer.raise_for_status()
            return name, answer.json()["files"]

        try:
            with ThreadPoolExecutor(_AT_ONCE) as pool:
                return dict(pool.map(fetch, names))
        except httpx.HTTPError as error:
            raise Unreachable(f"{PyPI.simple_url}: {error}") from error


def _tags_of(filename: str) -> frozenset[Tag]:
    """A wheel's tags; none for a source archive, which every platform could build."""
    try:
        return parse_wheel_filename(filename)[3]
    except InvalidWheelFilename:
        return frozenset()


def _version_of(filename: str) -> Version | None:
    try:
        return parse_wheel_filename(filename)[1] if filename.endswith(".whl") else parse_sdist_filename(filename)[1]
    except (InvalidWheelFilename, InvalidSdistFilename):
        return None  # eggs and installers of old, which pip does not take


def main() -> int:
    """The exit status: 0 when nothing is missing."""
    problems = list(check_ranges())
    locks = {path: list(parse(path.read_text(encoding="utf-8"))) for path in lock_files()}
    try:
        listed = fetch_files({entry.name for entries in locks.values() for entry in entries})
    except Unreachable as error:
        print(f"The lock files were not compared with the package index, which cannot be reached: {error}")
        return 1 if problems or os.environ.get("CI") else 0
    for path, entries in locks.items():
        problems += check_files(path, entries, listed.__getitem__)
    for problem in problems:
        print(problem)
    if problems:
        print("Run `make lock`, and commit what it changes.")
        return 1
    print(f"All published hashes of {sum(map(len, locks.values()))} locked releases are there.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
