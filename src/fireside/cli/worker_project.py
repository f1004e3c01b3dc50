"""What `fireside worker init` puts into a project: the files of `clients/worker`, and one changed binding."""

import difflib
import json
from dataclasses import dataclass
from pathlib import Path

import fireside
from fireside.cli import wrangler_config
from fireside.errors import ConfigError

SERVICE = "fireside-ai"
"""Name of the Worker that calls Fireside, and of its folder."""

_FILES = ("wrangler.jsonc", "package.json", "README.md", "LICENSE", ".gitignore")
_URL, _ACCOUNT = "http://127.0.0.1:8787", "local"
"""As the template has them."""


@dataclass(frozen=True, slots=True)
class Change:
    """A new text for a configuration.

    Args:
        path: file that gets it.
        before: text of the project's configuration.
        after: the new text; None when it has to be made by hand, and then `reason` says why.
    """

    path: Path
    before: str
    after: str | None
    reason: str = ""

    def diff(self) -> str:
        """The change as a unified diff."""
        before, after = (text.splitlines(keepends=True) for text in (self.before, self.after or ""))
        return "".join(difflib.unified_diff(before, after, "the configuration", str(self.path)))


def package_folder() -> Path:
    """The npm package: in the wheel inside `fireside`, in the repository at its own place."""
    package = Path(fireside.__file__).parent
    return next(folder for folder in (package / "npm", package.parents[1] / "clients" / "worker") if folder.is_dir())


def new_files(folder: Path, *, url: str, account: str) -> dict[Path, bytes]:
    """Path and content of each file of the Worker's folder. Raises ConfigError when one is there with other content."""
    package = package_folder()
    sources = [*(package / name for name in _FILES), *sorted(package.glob("src/*.*"))]
    files = {folder / source.relative_to(package): source.read_bytes() for source in sources}
    template = files[folder / "wrangler.jsonc"].decode()
    for default, value in ((_URL, url), (_ACCOUNT, account)):
        template = template.replace(json.dumps(default), json.dumps(value))
    files[folder / "wrangler.jsonc"] = template.encode()
    changed = [str(path) for path, content in files.items() if differs(path, content)]
    if changed:
        raise ConfigError(f"There already, and different: {', '.join(changed)}. Move or delete {folder} first.")
    return files


def differs(path: Path, content: bytes) -> bool:
    """Whether a file is there and has another content."""
    return path.exists() and path.read_bytes() != content


def plan_change(config: Path, *, beside: bool) -> Change:
    """What becomes of a project's configuration; `beside` puts it into a file of its own.

    Raises ConfigError when that file is there with other content.
    """
    path = config.with_name(f"wrangler.fireside{config.suffix}") if beside else config
    try:
        before = config.read_bytes().decode()
    except UnicodeDecodeError as error:
        raise ConfigError(f"{config} is not UTF-8: {error}.") from error
    try:
        after = wrangler_config.replace_ai(before, config.suffix == ".toml", SERVICE)
    except ConfigError as error:
        return Change(path, before, None, str(error))
    if beside and differs(path, after.encode()):
        raise ConfigError(f"{path} is there already, and says something else: move or delete it first.")
    return Change(path, before, after)


def by_hand(config: Path | None, reason: str) -> str:
    """What to do where the configuration was not changed."""
    what = f"{config} was not changed. {reason}" if config else "There is no wrangler configuration here."
    return f"""{what} What it needs in place of an ai binding:
  wrangler.jsonc   "services": [{{ "binding": "AI", "service": "{SERVICE}" }}]
  wrangler.toml    [[services]]
                   binding = "AI"
                   service = "{SERVICE}"
"""


def notes(change: Change) -> list[str]:
    """What a changed configuration leaves to be done by hand."""
    data = wrangler_config.parse(change.after or "", change.path.suffix == ".toml")
    found = []
    if environments := wrangler_config.environments_with_ai(data):
        found.append(f"These environments have an ai binding of their own, to be changed by hand: {environments}")
    if wrangler_config.loses_error_names(data):
        found.append(
            f"For errors with their own names set compatibility_date to {wrangler_config.ERROR_NAMES_SINCE}, or add "
            f'"{wrangler_config.ERROR_NAMES_FLAG}" to compatibility_flags.'
        )
    return found


def check_no_link(path: Path, project: Path) -> None:
    """Raises ConfigError where a symbolic link would lead what is written to another place than the project."""
    for place in (path, *path.parents):
        if place == project or place == project.parent:
            return
        if place.is_symlink():
            raise ConfigError(f"{place} is a symbolic link, and nothing is written through one. Remove it first.")
