"""Part of `make lint`: the types of the pages', the documentation's and the Worker package's JavaScript, by tsc.

TypeScript is locked in `tools/javascript` and installed there once. Where Node is missing, this says so and passes,
except in CI.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "tools" / "javascript"
PROJECTS = ("pages.json", "worker.json")
"""Configurations of tsc in `FOLDER`. A file of the pages is checked if it asks for that: what is vendored does not."""

ASKS = "// @ts-check\n"
_OWN = ("src/fireside/**/static/js/**/*.js", "src/fireside/**/static/theme.js", "docs/assets/*.js")


def unchecked(root: Path) -> Iterator[str]:
    """The files below `root` that do not ask to be checked in their first line."""
    for pattern in _OWN:
        for path in sorted(root.glob(pattern)):
            if not path.read_text(encoding="utf-8").startswith(ASKS):
                yield f"{path.relative_to(root)}: the first line must be {ASKS.strip()}"


def install(npm: str) -> None:
    """Install what package-lock.json names, unless it is there. Raises CalledProcessError."""
    digest = hashlib.sha256((FOLDER / "package-lock.json").read_bytes()).hexdigest()
    stamp = FOLDER / "node_modules" / ".lock-sha256"
    if stamp.is_file() and stamp.read_text() == digest:
        return
    subprocess.run([npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"], cwd=FOLDER, check=True)
    stamp.write_text(digest)


def main() -> int:
    """The exit status: 0 when nothing is wrong, or Node is missing outside CI."""
    problems = list(unchecked(ROOT))
    for problem in problems:
        print(problem)
    node, npm = shutil.which("node"), shutil.which("npm")
    try:
        if not node or not npm:
            raise FileNotFoundError("Node and npm are not installed")
        install(npm)
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"The types of the JavaScript were not checked: {error}.")
        return 1 if problems or os.environ.get("CI") else 0
    tsc = FOLDER / "node_modules" / "typescript" / "bin" / "tsc"
    statuses = [subprocess.run([node, tsc, "--project", FOLDER / name], check=False).returncode for name in PROJECTS]
    if problems or any(statuses):
        return 1
    print("The types of the JavaScript are right.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
