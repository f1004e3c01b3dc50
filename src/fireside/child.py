"""How Fireside starts a Python process of its own: which command, which environment.

A child finds modules where this process finds them, never in the working directory: a file `pip.py` or a folder
`fireside` that lies there must not run. It gets the environment variables it needs and no others, so that a fault in a
library that reads foreign input cannot give away the database's password or a cloud's keys.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import fireside

_START = (
    "import os, runpy, sys; "
    "sys.path += [place for place in sys.argv.pop(1).split(os.pathsep) if place and place not in sys.path]; "
    "del sys.argv[0]; "
    "runpy.run_module(sys.argv[0], run_name='__main__', alter_sys=True)"
)

_START_ELSEWHERE = (
    "import importlib.util, os, runpy, sys; "
    "place = sys.argv.pop(1); "
    "spec = importlib.util.spec_from_file_location('fireside', os.path.join(place, '__init__.py'), "
    "submodule_search_locations=[place]); "
    "sys.modules['fireside'] = package = importlib.util.module_from_spec(spec); "
    "spec.loader.exec_module(package); "
    "del sys.argv[0]; "
    "runpy.run_module(sys.argv[0], run_name='__main__', alter_sys=True)"
)
"""Of this process's modules only Fireside's own: what is compiled for this Python may not load in another one."""

_NEEDED = frozenset(
    {
        # Where the system's loader and Windows look for libraries.
        "LD_LIBRARY_PATH",
        "DYLD_LIBRARY_PATH",
        "DYLD_FALLBACK_LIBRARY_PATH",
        "PATH",
        "SYSTEMROOT",
        # Language, time zone, temporary files.
        "LANG",
        "TZ",
        "TMPDIR",
        "TEMP",
        "TMP",
    }
)
_NEEDED_PREFIXES = ("LC_", "OMP_", "OPENBLAS_", "MKL_", "ORT_", "MALLOC_", "GLIBC_")
"""Languages; knobs of the arithmetic libraries and of the allocator."""

_SECRET_PREFIXES = ("FIRESIDE_", "AWS_", "HF_", "HUGGING", "PG", "CLOUDFLARE_", "PYTHON")


def command(module: str, *arguments: str, python: str | None = None) -> list[str]:
    """The command that runs a module as a process, isolated (`-I`) but with this process's own module path.

    Args:
        python: the interpreter of another environment, which has its own modules and gets Fireside's.
    """
    if python is not None:
        return [python, "-I", "-c", _START_ELSEWHERE, str(Path(fireside.__file__).parent), module, *arguments]
    return [sys.executable, "-I", "-c", _START, _module_path(), module, *arguments]


def environment(more: Mapping[str, str] | None = None, *, also: Sequence[str] = ()) -> dict[str, str]:
    """The environment of a process that computes: what it cannot do without, and `more`.

    Args:
        also: names of further variables that it gets, if there are any; one that ends with `_` is how names begin.
    """
    whole, beginnings = frozenset(also), tuple(name for name in also if name.endswith("_"))
    kept = {
        name: value
        for name, value in os.environ.items()
        if _is_needed(name.upper()) or name in whole or name.startswith(beginnings)
    }
    return {**kept, **(more or {})}


def environment_of_tool() -> dict[str, str]:
    """The environment of a tool that the user has set up, as pip with its proxy and index: all but our own secrets."""
    return {name: value for name, value in os.environ.items() if not name.upper().startswith(_SECRET_PREFIXES)}


def _is_needed(name: str) -> bool:
    return name in _NEEDED or name.startswith(_NEEDED_PREFIXES)


def _module_path() -> str:
    """This process's module path, less the working directory, however it came onto it; Fireside's own place last."""
    try:
        here = os.path.realpath(os.getcwd())
    except FileNotFoundError:  # somebody has removed it
        here = ""
    places = [place for place in sys.path if os.path.isabs(place) and os.path.realpath(place) != here]
    return os.pathsep.join([*places, str(Path(fireside.__file__).parents[1])])
