"""What `fireside models` and `show` tell of a model."""

from typing import Any

from fireside.catalog.spec import FolderSource, HubSource, ModelSpec, NoSource, Unavailable, WheelSource
from fireside.engine.types import Sampling
from fireside.prompting.prompt import default_system, format_of
from fireside.serving.costs import cost_of
from fireside.serving.engine_options import engine_options
from fireside.serving.removal import packed_file
from fireside.serving.types import TextRequest
from fireside.settings import Settings
from fireside.weights.locate import is_downloaded, model_dir


def row_of(spec: ModelSpec, settings: Settings) -> dict[str, Any]:
    """One model of the list. Sizes are bytes, None where unknown."""
    cost = cost_of(spec, settings.data_dir)
    speed = cost.tokens_per_second()
    return {
        "id": spec.id,
        "downloaded": is_downloaded(settings.data_dir, spec),
        "needs_download": not isinstance(spec.source, NoSource | Unavailable),
        "unavailable": spec.source.reason if isinstance(spec.source, Unavailable) else None,
        "retired": spec.retired,
        "download_bytes": cost.download,
        "disk_bytes": cost.disk,
        "memory_bytes": cost.memory,
        "tokens_per_second": None if speed is None else float(f"{speed:.2g}"),
        "context_length": spec.context_length,
        "lora": spec.lora,
    }


def facts_of(spec: ModelSpec, settings: Settings) -> dict[str, Any]:
    """Everything about one model."""
    here, packed = is_downloaded(settings.data_dir, spec), packed_file(spec, settings)
    path = None if isinstance(spec.source, NoSource) or not here else str(model_dir(settings.data_dir, spec))
    sampling, request = Sampling(), TextRequest(model=spec.id)
    return {
        **row_of(spec, settings),
        "aliases": list(spec.aliases),
        "description": spec.description,
        "info_url": spec.info_url,
        "family": spec.family,
        "license": spec.license,
        "hosted_context": spec.hosted_context,
        "source": _source(spec),
        "path": path,
        "packed_path": None if packed is None else str(packed),
        "packed_bytes": None if packed is None else packed.stat().st_size,
        "engine": spec.engine.kind,
        "weights": getattr(engine_options(spec, settings), "weights", None),
        "max_num_seqs": spec.engine.max_num_seqs,
        "style": spec.prompt.style,
        "default_system": default_system(spec.prompt),
        "stop": list(dict.fromkeys((*format_of(spec.prompt).ends, *spec.prompt.stop))),
        "defaults": {
            "max_tokens": request.max_tokens,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
        },
    }


def _source(spec: ModelSpec) -> str:
    match spec.source:
        case HubSource(repo=repo, revision=revision):
            asks = ", with a license to accept" if spec.source.gated else ""
            return f"Hugging Face, {repo} at {revision}{asks}"
        case WheelSource(package=package, version=version):
            return f"the Python package index, {package} {version}"
        case FolderSource(path=path):
            return path
        case _:
            return "none"
