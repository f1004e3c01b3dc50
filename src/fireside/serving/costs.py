"""What a model takes, told before it is fetched: download, disk, memory, and about how fast it answers here."""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

import numpy as np

from fireside.catalog.spec import ArchitectureFacts, FolderSource, ModelSpec, NoSource, Unavailable, WheelSource
from fireside.disk import free_bytes
from fireside.engine.engine_type import Footprint
from fireside.engine.memory import machine_memory
from fireside.engine.options import EngineOptions
from fireside.engine.registry import engine_type
from fireside.errors import DownloadFailed, FiresideError
from fireside.settings import Settings
from fireside.weights.checkpoint import Coding, ModelConfig
from fireside.weights.download.pull import SPARE_BYTES
from fireside.weights.locate import is_downloaded, locate, size_on_disk
from fireside.weights.open import open_checkpoint

_BYTES = 128 * 2**20
"""More than caches hold, and read in a few hundredths of a second."""
_ROUNDS = 4


@cache
def memory_bandwidth() -> float:
    """Bytes per second that all cores together read, measured once in a process: a quarter of a second.

    Of several rounds the fastest counts: others only slow it down.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    parts = np.array_split(np.ones(_BYTES // 8, np.int64), cores)
    fastest = float("inf")
    with ThreadPoolExecutor(cores) as pool:
        for _ in range(_ROUNDS):
            began = time.perf_counter()
            list(pool.map(np.add.reduce, parts))
            fastest = min(fastest, time.perf_counter() - began)
    return _BYTES / max(fastest, 1e-9)


CONVERSATION = 4096
"""Tokens of the one conversation for which memory is counted; a longer one, or others beside it, take more."""

OVERHEAD_BYTES = 400_000_000
"""Both processes without weights and KV cache: the server took 113 MB and an engine without a model 43 MB as measured;
the rest is room for ONNX Runtime, which was not measured alone."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Bytes; None where nothing is known before the files are here.

    Args:
        download: what comes over the network.
        disk: files and their repacked copy, which the first load makes.
        memory: for one conversation of CONVERSATION tokens.
        step: what is read for each token of an answer.
    """

    download: int | None
    disk: int | None
    memory: int | None
    step: int | None

    def tokens_per_second(self) -> float | None:
        """What one answer reaches on this machine at most: as fast as its memory is read, if nothing else runs.

        The first call in a process measures for a quarter of a second.
        """
        return memory_bandwidth() / self.step if self.step else None


def cost_of(spec: ModelSpec, data_dir: Path) -> Cost:
    """By the catalog's facts, else by the files, where they are here."""
    source = spec.source
    if isinstance(source, NoSource):
        return Cost(0, 0, OVERHEAD_BYTES, None)
    if isinstance(source, Unavailable):
        return Cost(None, None, None, None)
    here = is_downloaded(data_dir, spec)
    download = source.wheel_size if isinstance(source, WheelSource) else spec.download_bytes
    if isinstance(source, FolderSource):
        download = 0
    files = size_on_disk(data_dir, spec) if here else source.size if isinstance(source, WheelSource) else download
    packed = _packed(spec, data_dir, here)
    if packed is None:
        return Cost(download, None, None, None)
    memory = packed.weights + packed.kv_per_token * min(CONVERSATION, spec.context_length) + OVERHEAD_BYTES
    return Cost(download, None if files is None else files + packed.weights, memory, packed.step)


def problem_of(spec: ModelSpec, settings: Settings) -> str | None:
    """Why the model cannot run here once it is fetched, with numbers and what to do; None when it can."""
    cost = cost_of(spec, settings.data_dir)
    memory = machine_memory()
    if cost.memory is not None and cost.memory > memory:
        return (
            f"{spec.id} needs about {cost.memory / 1e9:.1f} GB of memory, and this machine has {memory / 1e9:.1f} GB. "
            "Use a smaller model (`fireside models` has the sizes) or a machine with more memory."
        )
    free = free_bytes(settings.data_dir)
    needed = 0 if cost.disk is None else cost.disk + SPARE_BYTES - size_on_disk(settings.data_dir, spec)
    if needed > free:
        return (
            f"{spec.id} needs about {needed / 1e9:.1f} GB of disk, its repacked weights included, and "
            f"{free / 1e9:.1f} GB are free. Free some, or keep models elsewhere with FIRESIDE_DATA_DIR."
        )
    return None


def cost_text(cost: Cost) -> str:
    """The cost in words, as far as it is known."""
    speed = cost.tokens_per_second()
    parts = [
        f"{amount / 1e9:.1f} GB {what}"
        for amount, what in ((cost.download, "to download"), (cost.disk, "of disk"), (cost.memory, "of memory"))
        if amount is not None
    ]
    if speed is not None:
        parts.append(f"about {speed:.2g} tokens per second at most on this machine")
    return ", ".join(parts)


def check_fits(spec: ModelSpec, settings: Settings) -> None:
    """Raises DownloadFailed when the machine has too little memory or disk for a model that is not here yet."""
    if not is_downloaded(settings.data_dir, spec) and (problem := problem_of(spec, settings)):
        error = DownloadFailed(f"{problem} To fetch it anyway: fireside pull {spec.id} --force")
        error.add_note(f"Models are kept in {settings.data_dir}.")
        raise error


def _packed(spec: ModelSpec, data_dir: Path, here: bool) -> Footprint | None:
    kind = spec.engine.kind
    options = engine_type(kind).configure(spec.engine.options)
    facts = _facts(spec)
    if facts is not None:
        return _of_facts(facts, kind, options)
    if not here:
        return None
    try:
        path = locate(data_dir, spec)
        return None if path is None else _of_files(path, path.stat().st_mtime_ns, kind, options)
    except (FiresideError, OSError):
        return None  # what is wrong with the files, loading them tells


@lru_cache(maxsize=64)
def _of_facts(facts: "_Facts", kind: str, options: EngineOptions) -> Footprint | None:
    """Pages ask for these again and again."""
    footprint = engine_type(kind).footprint
    return None if footprint is None else footprint(facts, options)


@lru_cache(maxsize=64)
def _of_files(path: Path, changed: int, kind: str, options: EngineOptions) -> Footprint | None:
    footprint = engine_type(kind).footprint
    return None if footprint is None else footprint(open_checkpoint(path), options)


@dataclass(frozen=True, slots=True)
class _Facts:
    """A checkpoint that is not here, as the catalog describes it."""

    config: ModelConfig
    group: int | None

    def coding(self, name: str) -> Coding | None:
        """AWQ's, for all linears of a layer."""
        return None if self.group is None else Coding(4, self.group, only=True)


def _facts(spec: ModelSpec) -> _Facts | None:
    match spec.architecture:
        case ArchitectureFacts(
            vocab_size=int(vocab),
            hidden_size=int(hidden),
            intermediate_size=int(inner),
            num_hidden_layers=int(layers),
            num_attention_heads=int(heads),
            num_key_value_heads=int(kv_heads),
        ):
            config = ModelConfig(
                vocab_size=vocab, hidden_size=hidden, intermediate_size=inner, layers=layers, heads=heads,
                kv_heads=kv_heads, head_dim=spec.architecture.head_dim or hidden // heads,
                context_length=spec.context_length, rope_theta=1.0, norm_eps=1e-5,
            )  # fmt: skip
            return _Facts(config, spec.architecture.group_size)
        case _:
            return None
