"""Reads catalog files: one TOML file, one model."""

import difflib
import os
import re
import tomllib
from collections.abc import Mapping
from importlib.resources import as_file, files
from pathlib import Path
from typing import Self

from pydantic import ValidationError

from fireside.catalog.spec import MODEL_ID_PATTERN, FolderSource, ModelSpec
from fireside.errors import CatalogError, ConfigError, InvalidModelId, ModelRetired, UnknownModel
from fireside.settings import Settings

_MODEL_ID = re.compile(MODEL_ID_PATTERN)
_MAX_FILE_BYTES = 1_000_000

_OTHER_TASKS = {
    "@cf/unum/uform-gen2-qwen-500m": ("2026-05-30", "images into text"),
    "@cf/facebook/bart-large-cnn": ("2026-05-30", "texts into summaries"),
}
"""Models of other kinds that the hosted service has retired: the day, and what they made of what."""


class Catalog:
    """Every model this server knows, by id and by alias. Immutable."""

    def __init__(self, specs: Mapping[str, ModelSpec]) -> None:
        self._specs = dict(sorted(specs.items()))
        self._by_name = {alias: spec for spec in self._specs.values() for alias in spec.aliases} | self._specs

    @classmethod
    def load(cls, *folders: Path) -> Self:
        """The built-in models, then those of each folder (`*.toml`; a folder that does not exist has none).

        A file in a folder replaces a built-in model of the same id, and takes its name where it is a built-in one's
        alias. Raises CatalogError naming the file and, where known, line and key; also when two files of the folders
        have the same id or alias, or an alias is a built-in model's id.
        """
        with as_file(files("fireside.catalog") / "models") as packaged:
            specs = {spec.id: spec for spec in map(load_file, sorted(packaged.glob("*.toml")))}
        origins: dict[str, Path] = {}
        for path in (path for folder in folders for path in sorted(folder.glob("*.toml"))):
            spec = load_file(path)
            if spec.id in origins:
                raise CatalogError(
                    f"{path}: id: {spec.id} is also the id in {origins[spec.id]}. Rename one of the two."
                )
            origins[spec.id] = path
            specs[spec.id] = spec
        return cls(_without_clashes(specs, origins))

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """The built-in models and those of the user's catalog folder.

        Raises CatalogError as `load` does, ConfigError when a catalog folder was named that does not exist.
        """
        if settings.catalog_dir is not None and not settings.catalog_dir.is_dir():
            raise ConfigError(
                f"catalog_dir (FIRESIDE_CATALOG_DIR): there is no folder {settings.catalog_dir}. Create it."
            )
        return cls.load(settings.catalog_dir or settings.data_dir / "catalog")

    def get(self, model_id: str) -> ModelSpec:
        """The model of this id or alias.

        Raises InvalidModelId when it is not of the form, ModelRetired when it was one of another kind, and UnknownModel
        when there is none.
        """
        spec = self._by_name.get(model_id)
        if spec is not None:
            return spec
        shown = model_id if len(model_id) <= 200 else model_id[:200] + "…"
        if not _MODEL_ID.fullmatch(model_id):
            raise InvalidModelId(f"Invalid model id {shown!r}: it must look like @hf/author/name or @cf/author/name")
        if model_id in _OTHER_TASKS:
            day, work = _OTHER_TASKS[model_id]
            raise ModelRetired(
                f"This model was deprecated on {day}. Please use an alternative model. {model_id} made {work}; this "
                "server generates text, and nothing else."
            )
        close = difflib.get_close_matches(shown.lower(), self._by_name, n=3, cutoff=0.6)
        hint = f". Did you mean {' or '.join(close)}?" if close else ""
        raise UnknownModel(f"No such model {shown} or task{hint}")

    def all(self) -> list[ModelSpec]:
        """Every model, sorted by id."""
        return list(self._specs.values())


def _without_clashes(specs: Mapping[str, ModelSpec], origins: Mapping[str, Path]) -> dict[str, ModelSpec]:
    """The models, built-in ones without the names that a user's file took. Raises CatalogError for other clashes."""
    owners: dict[str, ModelSpec] = {}
    for own in (spec for spec in specs.values() if spec.id in origins):
        for name in own.names:
            other = owners.setdefault(name, own)
            if other is not own or (name != own.id and name in specs):
                clash = specs[name] if name in specs and specs[name] is not own else other
                raise CatalogError(
                    f"{origins[own.id]}: aliases: {name} is a name of {clash.id}, too. Choose another one."
                )
    return {
        name: spec
        if name in origins
        else spec.model_copy(update={"aliases": tuple(alias for alias in spec.aliases if alias not in owners)})
        for name, spec in specs.items()
    }


def load_file(path: Path) -> ModelSpec:
    """Read one catalog file; a relative `source.path` becomes absolute, from the file's folder. Raises CatalogError."""
    try:
        if path.stat().st_size > _MAX_FILE_BYTES:
            raise CatalogError(f"{path}: larger than {_MAX_FILE_BYTES:,} bytes; this is not a catalog file.")
        data = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except tomllib.TOMLDecodeError as error:
        raise CatalogError(f"{path}: not valid TOML: {error}") from error
    except UnicodeDecodeError as error:
        raise CatalogError(f"{path}: not UTF-8, which TOML files are. Save it so.") from error
    except OSError as error:
        raise CatalogError(f"{path}: cannot be read: {error}") from error
    try:
        spec = ModelSpec.model_validate(data)
    except ValidationError as error:
        raise CatalogError(f"{path}: " + "; ".join(_problems(error))) from error
    if isinstance(spec.source, FolderSource):
        try:
            place = Path(spec.source.path).expanduser()
        except RuntimeError as error:
            raise CatalogError(f"{path}: source.path: {spec.source.path}: there is no such user's folder.") from error
        # Symbolic links stay: what they lead to may have a name that does not say what it is, as in the hub's cache.
        absolute = os.path.abspath(path.parent / place)
        spec = spec.model_copy(update={"source": spec.source.model_copy(update={"path": absolute})})
    return spec


def _problems(error: ValidationError) -> list[str]:
    lines = []
    for problem in error.errors():
        # Pydantic puts the chosen kind of a source into the location: "source.wheel.size" is "source.size" in the file.
        location = [str(part) for part in problem["loc"]]
        if location[0] == "source" and len(location) > 2:
            del location[1]
        key = ".".join(location)
        match problem["type"]:
            case "default_factory_not_called":  # uuid is made from the id, which has a problem of its own
                continue
            case "engine_option":  # names its keys itself
                lines.append(problem["msg"])
            case "missing":
                lines.append(f"{key}: missing")
            case "extra_forbidden":
                lines.append(f"{key}: unknown key")
            case _:
                lines.append(f"{key}: {problem['msg']}, got {problem['input']!r}")
    return lines
