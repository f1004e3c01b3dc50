"""Free space where a folder is, or would be."""

import shutil
from pathlib import Path


def nearest_folder(folder: Path) -> Path:
    """The folder, or the innermost folder around it that exists."""
    while not folder.exists():
        folder = folder.parent
    return folder


def free_bytes(folder: Path) -> int:
    """Free space on the disk of a folder, which need not exist yet."""
    return shutil.disk_usage(nearest_folder(folder)).free
