"""`make platforms`: fetch what is locked for each Python and platform with pip and hashes, as it is installed there.

It shows that pip finds a wheel with a known hash for every package, not that what is in the wheels works. Some 900 MB
are fetched, into a folder that is deleted afterwards. Arguments: names of lock files (default: runtime extras build).
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tools.lock import public_environment
from tools.locks import FOLDER, PLATFORMS, PYTHONS, Locked, Platform, parse


def fetch(entries: list[Locked], python: tuple[int, int], platform: Platform, folder: Path) -> str:
    """pip's complaint, or nothing.

    Args:
        folder: where files go; those of other platforms that are there already are not fetched again.
    """
    pins = folder / "pins.txt"
    # pip evaluates markers for the Python it runs on, whatever it is told of another: so they are done with before.
    applying = [Locked(one.name, one.version, "", one.hashes) for one in entries if one.applies_to(python, platform)]
    pins.write_text("".join({one.text(): None for one in applying}), encoding="utf-8")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet", "--no-deps"]
    target = ["--python-version", "{}.{}".format(*python), "--implementation", "cp"]
    target += [word for tag in platform.tags for word in ("--platform", tag)]
    options = ["--require-hashes", "--only-binary", ":all:", "--dest", str(folder / "files"), "-r", str(pins)]
    # Large files over a slow line: pip's own 15 seconds are short.
    environment = public_environment() | {"PIP_DEFAULT_TIMEOUT": "60"}
    done = subprocess.run(
        [*pip, *target, *options], env=environment, capture_output=True, text=True, errors="replace", check=False
    )
    return "" if done.returncode == 0 else done.stderr or done.stdout


def main(arguments: list[str]) -> int:
    """The exit status."""
    files = [FOLDER / f"{name}.txt" for name in arguments or ("runtime", "extras", "build")]
    entries = [entry for file in files for entry in parse(file.read_text(encoding="utf-8"))]
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        for python in PYTHONS:
            for platform in PLATFORMS:
                complaint = fetch(entries, python, platform, Path(folder))
                failed += bool(complaint)
                print("Python {}.{} on".format(*python), platform.name + ":", complaint or "ok", flush=True)
        size = sum(file.stat().st_size for file in os.scandir(Path(folder, "files")))
    print(f"{size / 1e6:.0f} MB fetched and checked; {failed} of {len(PYTHONS) * len(PLATFORMS)} cannot be installed.")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
