"""The lock files: which there are, what is in them, and for which machines they are."""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "requirements"

PYTHONS = ((3, 11), (3, 12), (3, 13), (3, 14))

_GPU = re.compile(r"(nvidia|cuda|triton)(-.*)?")
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


@dataclass(frozen=True, eq=False)
class Platform:
    """A kind of machine.

    Args:
        tags: pip's names of what runs there, best first.
        markers: what its Python says of itself, for environment markers.
    """

    name: str
    tags: tuple[str, ...]
    markers: dict[str, str]


def _linux(machine: str) -> Platform:
    tags = [f"manylinux_2_{minor}_{machine}" for minor in range(31, 4, -1)]
    tags += [f"manylinux{year}_{machine}" for year in (2014, 2010, 1)]
    markers = {"sys_platform": "linux", "platform_system": "Linux", "platform_machine": machine, "os_name": "posix"}
    return Platform(f"linux-{machine}", tuple(tags), markers)


def _macos() -> Platform:
    names = [f"macosx_{major}_0_{kind}" for major in range(14, 10, -1) for kind in ("arm64", "universal2")]
    names += [f"macosx_10_{minor}_universal2" for minor in range(16, 8, -1)]
    markers = {
        "sys_platform": "darwin", "platform_system": "Darwin", "platform_machine": "arm64", "os_name": "posix",
    }  # fmt: skip
    return Platform("macos-arm64", tuple(names), markers)


def _windows() -> Platform:
    markers = {"sys_platform": "win32", "platform_system": "Windows", "platform_machine": "AMD64", "os_name": "nt"}
    return Platform("windows-x86_64", ("win_amd64",), markers)


PLATFORMS = (_linux("x86_64"), _linux("aarch64"), _macos(), _windows())
"""Where Fireside is to run: Linux from glibc 2.31 on (Debian 11, Ubuntu 20.04, RHEL 9), macOS from 14 on."""


@dataclass(frozen=True)
class Locked:
    """One release in a lock file, with the SHA-256 of every file it may be."""

    name: str
    version: str
    marker: str
    hashes: tuple[str, ...]

    def line(self) -> str:
        """The requirement without its hashes."""
        return f"{self.name}=={self.version}" + (f" ; {self.marker}" if self.marker else "")

    def text(self) -> str:
        """As a lock file has it."""
        return " \\\n".join([self.line(), *(f"    --hash=sha256:{digest}" for digest in self.hashes)]) + "\n"

    def applies_to(self, python: tuple[int, int], platform: Platform) -> bool:
        """Whether that Python on that platform installs it."""
        version = "{}.{}".format(*python)
        facts = {
            **platform.markers,
            "python_version": version,
            "python_full_version": f"{version}.0",
            "implementation_name": "cpython",
            "platform_python_implementation": "CPython",
        }
        return not self.marker or Marker(self.marker).evaluate(facts)


def parse(text: str) -> Iterator[Locked]:
    """The releases of a lock file, in its order."""
    for entry in text.replace("\\\n", " ").splitlines():
        if entry and not entry.startswith(("#", "--")):
            requirement = Requirement(entry.partition("--hash")[0])
            (pin,) = requirement.specifier
            yield Locked(
                canonicalize_name(requirement.name),
                pin.version,
                str(requirement.marker or ""),
                tuple(_HASH.findall(entry)),
            )


def lock_files() -> list[Path]:
    """Every lock file of what the public index has."""
    ours = sorted(path for path in FOLDER.glob("*.txt") if path.name != "torch-cpu.txt")
    return [*ours, ROOT / "tests/clients/requirements.txt"]


def is_torch(name: str) -> bool:
    """Whether it is PyTorch or comes with its build for GPUs. Which of its builds is installed is not ours to say."""
    return name == "torch" or _GPU.fullmatch(name) is not None


def wanted() -> dict[str, list[Requirement]]:
    """What pyproject.toml asks for, by the lock file that has to have it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    core = project["project"]["dependencies"]
    extras = [one for group in project["project"].get("optional-dependencies", {}).values() for one in group]
    dev = project["dependency-groups"]["dev"]
    asked = {
        "runtime.txt": core,
        "extras.txt": core + extras,
        "dev.txt": [one for one in core + extras + dev if not is_torch(Requirement(one).name)],
        "torch.txt": [one for one in dev if is_torch(Requirement(one).name)],
        "build.txt": project["build-system"]["requires"],
    }
    return {name: [Requirement(one) for one in lines] for name, lines in asked.items()}


@cache
def wheel_tags(python: tuple[int, int], platform: Platform) -> frozenset[Tag]:
    """Tags of the wheels that this Python on this platform can install."""
    interpreter = "cp{}{}".format(*python)
    return frozenset(
        [*cpython_tags(python, platforms=platform.tags), *compatible_tags(python, interpreter, platform.tags)]
    )
