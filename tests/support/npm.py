"""Packages from npm, installed once into a cache folder."""

import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest

from fireside.settings import default_data_dir


def install_npm(source: Path) -> Path:
    """The folder that holds node_modules as the package-lock.json in `source` has them."""
    if not shutil.which("node") or not shutil.which("npm"):
        pytest.skip("needs node and npm")
    lock = (source / "package-lock.json").read_bytes()
    folder = default_data_dir() / "test-clients" / hashlib.sha256(lock).hexdigest()[:16]
    if not (folder / "done").exists():
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(source / name, folder / name)
        # Install scripts only fetch or check binaries that these tests do not run.
        subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=folder, check=True)
        (folder / "done").touch()
    return folder
