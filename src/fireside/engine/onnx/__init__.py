"""The embedded engine: ONNX Runtime on the CPU."""

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fireside.engine.engine_type import EngineType, Footprint
from fireside.engine.onnx.options import OnnxOptions
from fireside.engine.protocol import Progress
from fireside.engine.runner import Runner

if TYPE_CHECKING:
    from fireside.engine.onnx.pack import Planned
    from fireside.settings import Settings
    from fireside.weights.checkpoint import Checkpoint

_MIB = 1024 * 1024


def _from_settings(settings: "Settings", *, lora: bool) -> Mapping[str, Any]:
    return {
        "threads": settings.threads,
        "kv_memory": settings.kv_memory_mb * _MIB,
        "adapter_memory": settings.adapter_memory_mb * _MIB if lora else 0,
    }


def _requirements(options: OnnxOptions) -> Sequence[str]:
    # Find the packages without importing them: the server would spend memory on them for nothing.
    return [
        f"The package {name} is missing. Install it: pip install {name}"
        for name in ("onnx", "onnxruntime")
        if find_spec(name) is None
    ]


def _make_runner(options: OnnxOptions, progress: Progress) -> Runner:
    from fireside.engine.onnx.runner import OnnxRunner

    return OnnxRunner(options, progress)


def _footprint(source: "Planned", options: OnnxOptions) -> Footprint:
    from fireside.engine.onnx.kv_cache import bytes_per_token
    from fireside.engine.onnx.pack import plan

    planned = plan(source, options.weights)
    whole = sum(tensor.nbytes for tensor in planned.tensors())
    # A step reads only single rows of the embedding.
    return Footprint(whole, bytes_per_token(source.config), whole - planned.embedding.nbytes)


def _cache_file(checkpoint: "Checkpoint", options: OnnxOptions) -> Path | None:
    from fireside.engine.onnx.pack import packed_path

    return packed_path(checkpoint, options.weights, Path(options.cache_dir)) if options.cache_dir else None


ENGINE = EngineType(
    kind="onnx",
    options=OnnxOptions,
    make_runner=_make_runner,
    from_settings=_from_settings,
    requirements=_requirements,
    footprint=_footprint,
    cache_file=_cache_file,
)
