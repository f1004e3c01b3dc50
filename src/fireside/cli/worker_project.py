"""What `fireside worker init` puts into a project: the files of `clients/worker`, and a main module that uses them."""

import difflib
import json
import posixpath
from dataclasses import dataclass
from pathlib import Path

import fireside
from fireside.cli import wrangler_config
from fireside.errors import ConfigError

FOLDER = "fireside-ai"
"""Name of the folder in the project."""
MAIN = f"{FOLDER}/main.js"
"""What the project's configuration gets as its main module."""

_URL, _ACCOUNT = "http://127.0.0.1:8787", "local"
_FILES = ("package.json", "README.md", "LICENSE")


@dataclass(frozen=True, slots=True)
class Change:
    """A new text for a configuration.

    Args:
        path: file that gets it.
        before: text of the project's configuration.
        after: the new text; None when there is nothing to change, or it has to be done by hand for this `reason`.
        bound: what it says of the Worker's module and model; None where it says it otherwise, or Fireside's already.
    """

    path: Path
    before: str
    after: str | None = None
    reason: str = ""
    bound: wrangler_config.Bound | None = None

    def diff(self) -> str:
        """The change as a unified diff."""
        before, after = (text.splitlines(keepends=True) for text in (self.before, self.after or ""))
        return "".join(difflib.unified_diff(before, after, "the configuration", str(self.path)))


@dataclass(frozen=True, slots=True)
class Server:
    """Where the Worker's requests go, and as whose."""

    url: str = _URL
    account: str = _ACCOUNT

    @classmethod
    def given(cls, url: str | None, account: str | None, old: "Server | None") -> "Server":
        """With what was not said as it was before, or as usual."""
        known = old or cls()
        return cls(url or known.url, account or known.account)


def package_folder() -> Path:
    """The npm package: in the wheel inside `fireside`, in the repository at its own place."""
    package = Path(fireside.__file__).parent
    return next(folder for folder in (package / "npm", package.parents[1] / "clients" / "worker") if folder.is_dir())


def package_files(folder: Path) -> dict[Path, bytes]:
    """Path and content of each file of the package in a project's folder."""
    package = package_folder()
    sources = [*(package / name for name in _FILES), *sorted(package.glob("src/*.*"))]
    return {folder / source.relative_to(package): source.read_bytes() for source in sources}


def own_files(folder: Path, bound: wrangler_config.Bound, server: Server) -> dict[Path, bytes]:
    """Path and content of each file that is this project's own: main module, server, type of the binding."""
    module = json.dumps(posixpath.normpath(posixpath.join("..", bound.main)))
    settings = {"binding": bound.binding, "url": server.url, "account": server.account}
    main = f"""\
// This project's Worker, its env.{bound.binding} answered by Fireside. Written by `fireside worker init`.

import {{ bind }} from "./src/binding.js";
import * as worker from {module};

export * from {module};
export default bind(worker);
"""
    types = f"""\
// For `wrangler types`, which sees no binding in the configuration.

declare namespace Cloudflare {{
  interface Env {{
    {bound.binding}: Ai;
  }}
}}
"""
    texts = {"main.js": main, "fireside.json": f"{json.dumps(settings, indent=2)}\n", "env.d.ts": types}
    return {folder / name: text.encode() for name, text in texts.items()}


def check_unchanged(files: dict[Path, bytes]) -> None:
    """Raises ConfigError when a file is there with other content: none is ever overwritten."""
    changed = [str(path) for path, content in files.items() if path.exists() and path.read_bytes() != content]
    if changed:
        raise ConfigError(f"There already, and different: {', '.join(changed)}. Move or delete them first.")


def old_server(folder: Path) -> Server | None:
    """What a folder says that an earlier Fireside has made, with a Worker of its own; None for any other folder.

    Raises ConfigError when its configuration cannot be read.
    """
    config = folder / "wrangler.jsonc"
    if not config.is_file() or not (folder / "src" / "worker.js").is_file():
        return None
    try:
        data = wrangler_config.parse(config.read_text(encoding="utf-8"), False)
    except ValueError as error:
        raise ConfigError(f"{config} cannot be read: {error}.") from error
    match data:
        case {"vars": {"FIRESIDE_URL": str(url), "FIRESIDE_ACCOUNT": str(account)}}:
            return Server(url, account)
        case _:
            return Server()


def put_aside(folder: Path, *, dry_run: bool) -> Path:
    """Rename the folder; what it is called then. Raises ConfigError when something has that name."""
    kept = folder.with_name(f"{folder.name}.old")
    if kept.exists():
        raise ConfigError(f"{kept} is there already: move or delete it first.")
    if not dry_run:
        folder.rename(kept)
    return kept


def plan_change(config: Path, *, beside: bool) -> Change:
    """What becomes of a project's configuration; `beside` puts it into a file of its own.

    Raises ConfigError when that file is there with other content.
    """
    path = config.with_name(f"wrangler.fireside{config.suffix}") if beside else config
    is_toml, bound = config.suffix == ".toml", None
    try:
        before = config.read_bytes().decode()
    except UnicodeDecodeError as error:
        raise ConfigError(f"{config} is not UTF-8: {error}.") from error
    try:
        data = wrangler_config.parse(before, is_toml)
        if posixpath.normpath(str(data.get("main"))) == MAIN:
            gone = f"Its main, {MAIN}, is gone: put your own module there, and run this again."
            return Change(config, before, None, "" if config.with_name(FOLDER).joinpath("main.js").exists() else gone)
        bound = wrangler_config.read_bound(data)
        after = wrangler_config.replace_main(before, is_toml, MAIN)
    except ConfigError as error:
        return Change(path, before, None, str(error), bound)
    except ValueError as error:
        return Change(path, before, None, f"It cannot be read: {error}.")
    if beside:
        check_unchanged({path: after.encode()})
    return Change(path, before, after, bound=bound)


def left_to_do(config: Path | None, change: Change | None) -> str:
    """What a person has to do, or to know; empty for nothing."""
    if config is None or change is None:
        return f"There is no wrangler configuration here. {_IN_CODE}"
    if change.after is not None:
        return _note(change)
    if not change.reason:
        return (
            f"{config} is as it has to be. Where the server is stands in {config.with_name(FOLDER) / 'fireside.json'}."
        )
    if change.bound is None:
        return f"{config} was not changed. {change.reason} {_IN_CODE}"
    what = f'Make "{MAIN}" its main, and remove the binding {change.bound.binding}.'
    return f"{config} was not changed. {change.reason} {what}"


_IN_CODE = f"""In the Worker's own code:
  import {{ Ai }} from "./{FOLDER}/src/ai.js";
  const AI = new Ai({{ FIRESIDE_URL: "{_URL}" }});"""


def _note(change: Change) -> str:
    data = wrangler_config.parse(change.after or "", change.path.suffix == ".toml")
    names = ", ".join(wrangler_config.environments_with_ai(data))
    return (
        names
        and f"These environments have an ai binding of their own, and keep Workers AI until it is removed: {names}."
    )


def check_no_link(path: Path, project: Path) -> None:
    """Raises ConfigError where a symbolic link would lead what is written to another place than the project."""
    for place in (path, *path.parents):
        if place == project or place == project.parent:
            return
        if place.is_symlink():
            raise ConfigError(f"{place} is a symbolic link, and nothing is written through one. Remove it first.")
