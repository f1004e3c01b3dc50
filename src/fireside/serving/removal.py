"""Takes a model off this machine: what was downloaded, and the repacked weights that loading it has made."""

from pathlib import Path

from filelock import FileLock, Timeout

from fireside.catalog.spec import FolderSource, ModelSpec, NoSource, Unavailable
from fireside.errors import ConfigError, FiresideError
from fireside.serving.engine_options import engine_of, engine_options
from fireside.settings import Settings
from fireside.weights.locate import locate, lock_path, model_dir, unmark
from fireside.weights.open import open_checkpoint


def packed_file(spec: ModelSpec, settings: Settings) -> Path | None:
    """The model's repacked weights, if they are here and it is known which they are: by the model's sound files."""
    try:
        path = locate(settings.data_dir, spec)
        cache_file = engine_of(spec).cache_file
        if path is None or cache_file is None:
            return None
        packed = cache_file(open_checkpoint(path), engine_options(spec, settings, path))
    except (FiresideError, OSError):
        return None
    return packed if packed is not None and packed.is_file() else None


def files_of(spec: ModelSpec, settings: Settings) -> list[Path]:
    """What `remove` would delete. Files that the user's catalog names are the user's, and are not among them."""
    packed = packed_file(spec, settings)
    found = [] if packed is None else [packed]
    folder = model_dir(settings.data_dir, spec)
    if not isinstance(spec.source, NoSource | FolderSource | Unavailable) and folder.is_dir():
        found += sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return found


def freed_bytes(files: list[Path]) -> int:
    """What deleting the files gives back; one that is also elsewhere under another name (`pull --from`) nothing."""
    states = [path.stat() for path in files]
    return sum(state.st_size for state in states if state.st_nlink == 1)


def remove(spec: ModelSpec, settings: Settings) -> int:
    """Delete the model's files; returns the bytes that are free now.

    Raises ConfigError while the model is being downloaded, and when a file cannot be deleted.
    """
    lock = lock_path(settings.data_dir, spec)
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(lock).acquire(timeout=0):
            files = files_of(spec, settings)
            freed = freed_bytes(files)
            if not isinstance(spec.source, NoSource | FolderSource | Unavailable):
                unmark(model_dir(settings.data_dir, spec))  # from here on it counts as not downloaded, come what may
            for path in files:
                path.unlink(missing_ok=True)
            _remove_emptied(spec, settings)
    except Timeout:
        raise ConfigError(f"{spec.id} is being downloaded. Stop that first.") from None
    except OSError as error:
        raise ConfigError(f"{error.filename}: {error.strerror or error}. Not all of {spec.id} was deleted.") from error
    return freed


def _remove_emptied(spec: ModelSpec, settings: Settings) -> None:
    folder = model_dir(settings.data_dir, spec)
    if not isinstance(spec.source, NoSource | FolderSource | Unavailable) and folder.is_dir():
        for inner in sorted((path for path in folder.rglob("*") if path.is_dir()), reverse=True):
            inner.rmdir()
        folder.rmdir()
