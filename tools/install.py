"""Install what a lock file has into the virtual environment that runs this: `python tools/install.py runtime`.

pip with hashes, and one line of progress instead of its two for each package. Needs nothing but Python's own library.
What pip said is kept in install.log of the environment.
"""

import re
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LOG = Path(sys.prefix, "install.log")
SETS = {"runtime": ("runtime", "build"), "extras": ("extras",), "dev": ("dev",)}
"""What each word installs: names of lock files."""

_PACKAGE = re.compile(r"(?:Collecting|Requirement already satisfied:) ([\w.-]+)")
_NO_NETWORK = re.compile(
    r"NewConnectionError|NameResolutionError|ConnectTimeoutError|Failed to establish a new connection|"
    r"Network is unreachable|Temporary failure in name resolution|Cannot connect to proxy|ProxyError|ReadTimeoutError"
)
_MESSAGES = [
    (
        _NO_NETWORK,
        "The package index cannot be reached. The first installation needs the network, some 100 MB; connect this "
        "machine and run the same command again, or name a mirror in PIP_INDEX_URL or a folder of wheels in "
        "PIP_FIND_LINKS.",
    ),
    (
        re.compile("DO NOT MATCH THE HASHES"),
        "What the package index sent is not what was published, so nothing of it was installed. A mirror or a proxy "
        "may have changed it: try another one.",
    ),
    (
        re.compile("No matching distribution found"),
        "There is no wheel for this Python or this machine. Fireside runs on CPython 3.11 to 3.14, on Linux with glibc "
        "2.31 or later (not musl) on x86-64 or arm64, macOS 14 or later on arm64, and Windows on x86-64.",
    ),
    (re.compile("No space left on device"), "The disk is full: Fireside's packages need some 500 MB."),
]


class InstallFailed(Exception):
    """pip ended with an error."""


def run_pip(arguments: Sequence[str], title: str = "", total: int = 0) -> None:
    """Run `pip install`, with a line of progress if it has a title. Raises InstallFailed.

    Args:
        total: how many packages it will look at.
    """
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", *arguments]
    seen = 0
    with (
        LOG.open("a", encoding="utf-8") as log,
        subprocess.Popen(
            pip, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8", errors="replace"
        ) as process,
    ):
        assert process.stdout is not None
        for line in process.stdout:
            log.write(line)
            if package := _PACKAGE.match(line):
                seen += 1
                _show(f"{title}: {min(seen, total)} of {total}, {package[1]}", title)
            elif line.startswith("Installing collected packages"):
                _show(f"{title}: writing {total} packages", title)
    if process.returncode:
        raise InstallFailed


def install(wanted: str) -> None:
    """Install one of `SETS`. Raises InstallFailed."""
    names = SETS[wanted]
    files = [ROOT / "requirements" / f"{name}.txt" for name in names]
    total = sum(len(re.findall(r"^[a-z0-9]", file.read_text(encoding="utf-8"), re.MULTILINE)) for file in files)
    options = [option for file in files for option in ("-r", str(file))]
    began = time.monotonic()
    LOG.write_text("", encoding="utf-8")
    print(f"Installing up to {total} packages into {Path(sys.prefix).name}/ ...", flush=True)
    # Some tools want PyTorch, which comes after them; the lock has everything else that they want.
    alone = ["--no-deps"] if wanted == "dev" else []
    run_pip(["--require-hashes", *alone, *options], "Installing", total)
    if wanted == "runtime":
        # Built by what the lock has, not by what pip would fetch for it without a hash.
        run_pip(["--no-deps", "--no-build-isolation", "--editable", "."])
    elif wanted == "dev":
        _install_torch()
    _show("", "Installing")
    print(f"Installed in {time.monotonic() - began:.0f} s.", flush=True)


def _install_torch() -> None:
    """PyTorch: its CPU build where pip is set up to find one, else that of the public index, which may bring CUDA."""
    folder = ROOT / "requirements"
    try:
        run_pip(["--require-hashes", "--no-deps", "-r", str(folder / "torch-cpu.txt")], "Installing", 1)
        return
    except InstallFailed:
        if "No matching distribution found" not in LOG.read_text(encoding="utf-8", errors="replace"):
            raise
    LOG.write_text("", encoding="utf-8")
    run_pip(["--require-hashes", "--no-deps", "-r", str(folder / "torch.txt")], "Installing", 1)
    check = subprocess.run([sys.executable, "-m", "pip", "check"], capture_output=True, text=True, check=False)
    if re.search(r"^torch .* requires ", check.stdout, re.MULTILINE):
        run_pip(["--require-hashes", "--no-deps", "-r", str(folder / "torch-gpu.txt")], "Installing", 1)


def _show(text: str, title: str) -> None:
    """One line that changes, on a terminal."""
    if title and sys.stdout.isatty():
        sys.stdout.write(f"\r\x1b[K{text[:79]}")
        sys.stdout.flush()


def main(arguments: list[str]) -> int:
    """The exit status."""
    if len(arguments) != 1 or arguments[0] not in SETS:
        print(f"usage: python tools/install.py {'|'.join(SETS)}", file=sys.stderr)
        return 2
    try:
        install(arguments[0])
    except InstallFailed:
        _show("", "Installing")
        said = LOG.read_text(encoding="utf-8", errors="replace")
        for pattern, message in _MESSAGES:
            if pattern.search(said):
                print(f"{message}\n(What pip said is in {LOG}.)", file=sys.stderr)
                return 1
        print(f"{said[-2000:]}\npip failed, see above; all that it said is in {LOG}.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
