"""llama.cpp, built on this machine for this machine (or binaries given), measured by its own llama-batched-bench."""

import os
import shutil
import sys
import tarfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bench.gguf_checkpoint import gguf_bytes, write_gguf
from bench.memory import PeakMemory
from bench.model import make_once
from bench.peers import command
from bench.workload import Turn, Unavailable, Workload
from fireside.weights.checkpoint import ModelConfig

SDIST = "llama_cpp_python==0.3.36"
"""Carries llama.cpp's sources, so that one package index is enough to get them."""

BINARIES = ("llama-batched-bench", "llama-server")
QUANTISERS = ("llama-quantize", "llama-imatrix", "llama-perplexity")
_BUILD_SECONDS, _TURN_SECONDS = 3600.0, 3600.0


def find_binaries(work: Path, given: Path | None, names: Sequence[str] = BINARIES) -> Path:
    """The folder of these programs of llama.cpp: `given`, or one in the work folder, built there when it is missing.

    Building takes some ten minutes on two cores, and a C++ compiler. Raises Unavailable.
    """
    folder = given or work / "llama.cpp" / "bin"
    missing = [name for name in names if shutil.which(name, path=str(folder)) is None]
    if missing and given:
        raise Unavailable(f"{folder} has no {' and no '.join(missing)}")
    if missing:
        _build(work / "llama.cpp", work / "logs" / "llama.cpp-build.log")
    return folder


def _build(folder: Path, log: Path) -> None:
    print(f"Building llama.cpp from {SDIST} (once; log in {log}) …", file=sys.stderr)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    log.unlink(missing_ok=True)
    name = SDIST.partition("==")[0]
    pip: list[str | Path] = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--no-deps",
        "--no-binary",
        name,
        "-d",
        folder,
        SDIST,
    ]
    command.run(pip, log, _BUILD_SECONDS)
    (archive,) = folder.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    (source,) = folder.glob("*/vendor/llama.cpp")
    cmake = shutil.which("cmake") or _cmake_of_its_own(folder / "cmake", log)
    options = ["GGML_NATIVE=ON", "LLAMA_CURL=OFF", "LLAMA_BUILD_UI=OFF", "BUILD_SHARED_LIBS=OFF"]
    flags = [f"-D{option}" for option in ["CMAKE_BUILD_TYPE=Release", *options]]
    command.run([cmake, "-S", source, "-B", folder / "build", *flags], log, _BUILD_SECONDS)
    command.run(
        [cmake, "--build", folder / "build", "--target", *BINARIES, *QUANTISERS, f"-j{os.cpu_count()}"],
        log,
        _BUILD_SECONDS,
    )
    (folder / "build" / "bin").rename(folder / "bin")
    for path in (archive, source.parent.parent, folder / "build"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def _cmake_of_its_own(folder: Path, log: Path) -> Path:
    command.run([sys.executable, "-m", "venv", folder], log, _BUILD_SECONDS)
    command.run([folder / "bin" / "pip", "install", "cmake"], log, _BUILD_SECONDS)
    return folder / "bin" / "cmake"


@dataclass(frozen=True, slots=True)
class Timing:
    """A row of llama-batched-bench's table: seconds for all of its `batch` streams together."""

    prompt: int
    generated: int
    batch: int
    prompt_seconds: float
    generate_seconds: float


def read_timings(said: Iterable[str]) -> list[Timing]:
    """The rows of the table `| PP | TG | B | N_KV | T_PP s | S_PP t/s | T_TG s | …`; other lines are left out."""
    timings = []
    for line in said:
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if len(cells) == 10 and cells[0].isdigit():
            timings.append(Timing(int(cells[0]), int(cells[1]), int(cells[2]), float(cells[4]), float(cells[6])))
    return timings


class LlamaCpp:
    """See `bench.workload.Contender`.

    Args:
        given: folder with llama.cpp's programs, or None to build them.
    """

    def __init__(self, work: Path, config: ModelConfig, quant: Literal["Q4_0", "Q4_1"], given: Path | None) -> None:
        self.name = f"llama.cpp {quant}"
        self._work = work
        self._config = config
        self._quant: Literal["Q4_0", "Q4_1"] = quant
        self._given = given

    def prepare(self) -> None:
        self._binaries = find_binaries(self._work, self._given)
        self.server = self._binaries / BINARIES[1]
        self.model = self.model_path()

    def model_path(self) -> Path:
        """The GGUF file, made when it is not there."""
        return make_once(
            self._work / f"{self._config.layers}-layers-{self._quant}.gguf",
            gguf_bytes(self._config, self._quant),
            lambda path: write_gguf(path, self._config, self._quant),
        )

    def take_turn(self, workload: Workload, first: bool) -> Turn:
        turn = Turn()
        with PeakMemory() as memory:
            turn.load, (timing,) = self._bench(workload, workload.prefill_tokens, 1, workload.context_length, [1])
            turn.prefill = timing.prompt / timing.prompt_seconds
            streams = max(workload.batches)
            # A context of its own for each stream: as in the server, and faster than one that they share.
            context = streams * (workload.prompt_tokens + workload.decode_tokens)
            lengths = (workload.prompt_tokens, workload.decode_tokens, context)
            for timing in self._bench(workload, *lengths, workload.batches, "-pps")[1]:
                turn.decode[timing.batch] = timing.batch * timing.generated / timing.generate_seconds
        turn.memory = memory.peak
        return turn

    def _bench(
        self, workload: Workload, prompt: int, generate: int, context: int, batches: Sequence[int], *more: str
    ) -> tuple[float, list[Timing]]:
        """Seconds until the model answers (its table's head is printed after a first, untimed step), and the rows."""
        arguments = ["-m", str(self.model), "-t", str(workload.threads), "-c", str(context), *more]
        arguments += ["-npp", str(prompt), "-ntg", str(generate), "-npl", ",".join(map(str, batches))]
        log = self._work / "logs" / f"{self.name.replace(' ', '-')}.log"
        said = list(command.lines([self._binaries / BINARIES[0], *arguments], log, _TURN_SECONDS))
        loaded = next((seconds for seconds, line in said if line.lstrip().startswith("|    PP")), None)
        timings = read_timings(line for _, line in said)
        if loaded is None or [timing.batch for timing in timings] != list(batches):
            raise Unavailable(f"llama-batched-bench did not print what was asked for; see {log}")
        return loaded, timings
