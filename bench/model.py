"""The benchmark's model: the shape of OpenHermes 2.5 (Mistral-7B, vocabulary 32,002), with as many layers as wanted."""

import shutil
from collections.abc import Callable
from pathlib import Path

from bench.workload import BenchError
from fireside.weights.checkpoint import ModelConfig

GROUP = 128
"""Inputs that share a scale and a zero point in the AWQ checkpoint."""

FULL_LAYERS, QUICK_LAYERS = 32, 4
_SPARE_BYTES = 2 << 30


def mistral_7b(layers: int = FULL_LAYERS) -> ModelConfig:
    """Mistral-7B's shape with OpenHermes' vocabulary."""
    return ModelConfig(
        vocab_size=32002,
        hidden_size=4096,
        intermediate_size=14336,
        layers=layers,
        heads=32,
        kv_heads=8,
        head_dim=128,
        context_length=32768,
        rope_theta=10000.0,
        norm_eps=1e-5,
        sliding_window=4096,
    )


def make_once(path: Path, size: int, write: Callable[[Path], None]) -> Path:
    """`path`, written by `write` when it is not there yet. It gets its name only when it is whole.

    Args:
        size: bytes that it will take, about.

    Raises BenchError when the disk is too small for it.
    """
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(path.parent).free
    if free < size + _SPARE_BYTES:
        raise BenchError(f"{path} needs {size / 1e9:.1f} GB and the disk has {free / 1e9:.1f} GB. Name another --work.")
    unfinished = path.with_name(f"unfinished-{path.name}")
    if unfinished.is_dir():
        shutil.rmtree(unfinished)
    unfinished.unlink(missing_ok=True)
    write(unfinished)
    return unfinished.rename(path)
