"""The documentation's site, built as `make docs` builds it, but elsewhere."""

import mimetypes
import shutil
import subprocess
import sys
from pathlib import Path

from support.documents import ROOT
from support.file_server import Served

OUTSIDE_DOCS = ("zensical.toml", "SECURITY.md", "CHANGELOG.md")
"""What the site is made of besides `docs/`."""


def build_site(folder: Path) -> Path:
    """Build the site under a folder; where it is. A link or an anchor that leads nowhere fails it."""
    shutil.copytree(ROOT / "docs", folder / "docs")
    for name in OUTSIDE_DOCS:
        shutil.copy(ROOT / name, folder / name)
    command = [sys.executable, "-m", "zensical", "build", "--strict"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "site"


def as_served(site: Path) -> dict[str, Served]:
    """The site's files by the paths that a web server gives them."""
    files = {}
    for file in site.rglob("*"):
        if file.is_file():
            path = "/" + file.relative_to(site).as_posix()
            kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
            files[path.removesuffix("index.html")] = Served(file.read_bytes(), kind)
    return files
