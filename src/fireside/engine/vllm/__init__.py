"""vLLM, in an environment and a process of its own."""

from collections.abc import Mapping, Sequence
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


def _from_settings(settings: "Settings", *, lora: bool) -> Mapping[str, Any]:
    from fireside.engine.vllm.environment import python_of

    return {
        "python": python_of(settings),
        "threads": settings.threads,
        "kv_memory": settings.kv_memory_mb * _MIB,
        "max_loras": MAX_LORAS if lora else 0,
        "max_lora_rank": min(settings.finetune_max_rank, 512),
    }


def _requirements(options: VllmOptions) -> Sequence[str]:
    from fireside.engine.vllm.environment import problems

    found = list(problems(options.python))
    if options.model_path and not Path(options.model_path, "config.json").is_file():
        found.append("vLLM reads folders with config.json and safetensors files. A GGUF file runs on the onnx engine.")
    return found


def _make_runner(options: VllmOptions, progress: Progress) -> Runner:
    from fireside.engine.vllm.runner import VllmRunner

    return VllmRunner(options, progress)


ENGINE = EngineType(
    kind="vllm",
    options=VllmOptions,
    make_runner=_make_runner,
    from_settings=_from_settings,
    requirements=_requirements,
    python=lambda options: options.python,
    variables=("CUDA_", "NVIDIA_", "NCCL_", "VLLM_", "TORCH_", "TRITON_", "LD_PRELOAD", "HOME"),
    lacks={"typical_p": "typical_p"},
    reads_weights=False,
)
