"""`make lock`: write the lock files from the ranges in pyproject.toml and the public package index.

Releases that are locked already stay while they fit; arguments go to uv: `make lock ARGS="--upgrade-package rich"`.
Nothing that this machine says of pip or uv counts: other indexes have other files, whose hashes help nobody else.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tools.locks import FOLDER, ROOT, is_torch, parse, wanted

HEADER = "# Made by `make lock`, for every platform that Fireside is to run on: see CONTRIBUTING.md.\n"
CPU_BUILDS = FOLDER / "torch-cpu.txt"

_KEPT = ("PATH", "HOME", "USERPROFILE", "SYSTEMROOT", "TEMP", "TMP", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR")
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


def public_environment() -> dict[str, str]:
    """This environment without whatever could name another index, other files or other versions."""
    kept = {name: value for name, value in os.environ.items() if name in _KEPT or name.upper() in _PROXIES}
    return kept | {"UV_NO_CONFIG": "1", "PIP_CONFIG_FILE": os.devnull}


def compile_lock(old: Path, source: list[str], arguments: list[str], *, stdin: str = "") -> str:
    """The text of a lock file with every published hash.

    Args:
        old: the file as it is; its versions stay while they fit.
        source: uv's words for what to resolve.
    """
    from uv import find_uv_bin

    with tempfile.TemporaryDirectory() as folder:
        new = Path(folder, old.name)
        # Only its versions: uv would take its hashes over, be they all or not.
        text = old.read_text(encoding="utf-8") if old.exists() else ""
        new.write_text("".join(f"{locked.line()}\n" for locked in parse(text)), encoding="utf-8")
        uv = [find_uv_bin(), "--no-config", "pip", "compile", "--quiet"]
        shape = ["--universal", "--python-version", "3.11", "--only-binary", ":all:", "--generate-hashes"]
        quiet = ["--no-header", "--no-annotate", "--no-emit-index-url", "--no-emit-find-links"]
        command = [*uv, *shape, *quiet, *source, "-o", str(new), *arguments]
        subprocess.run(command, cwd=ROOT, env=public_environment(), input=stdin, text=True, check=True)
        return new.read_text(encoding="utf-8")


def write(path: Path, text: str) -> None:
    """A lock file of only wheels: what has to be built first would fetch its builder unchecked."""
    path.write_text(f"{HEADER}--only-binary :all:\n\n{text}", encoding="utf-8")


def split_torch(text: str) -> tuple[str, str, str]:
    """The development lock's text without PyTorch, PyTorch's own, and that of what its build for GPUs brings."""
    entries = list(parse(text))
    rest = "".join(entry.text() for entry in entries if not is_torch(entry.name))
    gpu = "".join(entry.text() for entry in entries if is_torch(entry.name) and entry.name != "torch")
    (torch,) = [entry for entry in entries if entry.name == "torch"]
    (builds,) = parse(CPU_BUILDS.read_text(encoding="utf-8"))
    if builds.version != f"{torch.version}+cpu":
        print(f"{CPU_BUILDS} is for torch {builds.version}: bring it up to {torch.version} by hand.", file=sys.stderr)
    return rest, torch.text(), gpu


def main(arguments: list[str]) -> None:
    """Write them all."""
    runtime, extras, dev, build = (FOLDER / f"{name}.txt" for name in ("runtime", "extras", "dev", "build"))
    write(runtime, compile_lock(runtime, ["pyproject.toml"], arguments))
    alike = ["-c", str(runtime)]
    write(extras, compile_lock(extras, ["pyproject.toml", "--all-extras", *alike], arguments))
    alike = ["-c", str(extras)]
    rest, torch, gpu = split_torch(
        compile_lock(dev, ["pyproject.toml", "--all-extras", "--group", "dev", *alike], arguments)
    )
    write(dev, rest)
    write(FOLDER / "torch.txt", torch)
    write(FOLDER / "torch-gpu.txt", gpu)
    requires = "\n".join(map(str, wanted()["build.txt"]))
    write(build, compile_lock(build, ["-", "-c", str(dev)], arguments, stdin=requires))
    clients = ROOT / "tests/clients/requirements.txt"
    write(clients, compile_lock(clients, ["tests/clients/requirements.in"], arguments))


if __name__ == "__main__":
    main(sys.argv[1:])
