"""Other Python environments."""

import sys
import venv
from importlib.util import find_spec
from pathlib import Path


def make_venv(folder: Path, *packages: str) -> Path:
    """An environment that has these of this one's packages, and no others; its interpreter."""
    venv.create(folder, with_pip=False, symlinks=True)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    site = folder / "lib" / version / "site-packages"
    for package in packages:
        spec = find_spec(package)
        assert spec is not None
        assert spec.submodule_search_locations
        (site / package).symlink_to(spec.submodule_search_locations[0])
    return folder / "bin" / "python"
