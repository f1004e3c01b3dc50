"""vLLM, in an environment and a process of its own."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fireside.engine.engine_type import EngineType
from fireside.engine.protocol import Progress
from fireside.engine.runner import Runner
from fireside.engine.vllm.options import VllmOptions

if TYPE_CHECKING:
    from fireside.settings import Settings

_MIB = 1024 * 1024
MAX_LORAS = 8
"""Adapters in one step, where requests may name any."""


def environment_python(data_dir: Path) -> Path:
    """The interpreter of the environment that `fireside engine install vllm` makes."""
    folder = data_dir / "engines" / "vllm"
    return folder / "Scripts" / "python.exe" if sys.platform == "win32" else folder / "bin" / "python"


def _from_settings(settings: "Settings", *, lora: bool) -> Mapping[str, Any]:
    return {
        "python": str(environment_python(settings.data_dir)),
        "threads": settings.threads,
        "kv_memory": settings.kv_memory_mb * _MIB,
        "max_loras": MAX_LORAS if lora else 0,
        "max_lora_rank": min(settings.finetune_max_rank, 512),
    }


def _make_runner(options: VllmOptions, progress: Progress) -> Runner:
    from fireside.engine.vllm.runner import VllmRunner

    return VllmRunner(options, progress)


ENGINE = EngineType(
    kind="vllm",
    options=VllmOptions,
    make_runner=_make_runner,
    from_settings=_from_settings,
    python=lambda options: options.python,
    variables=("CUDA_", "NVIDIA_", "NCCL_", "VLLM_", "TORCH_", "TRITON_", "LD_PRELOAD", "HOME"),
    lacks={"typical_p": "typical_p"},
    reads_weights=False,
)
