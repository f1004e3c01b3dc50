"""What a model's engine is told: by the model's catalog file, and where that says nothing by the settings."""

from pathlib import Path
from typing import Any

from fireside.catalog.spec import ModelSpec
from fireside.engine.engine_type import EngineType
from fireside.engine.options import EngineOptions, TokenTable
from fireside.engine.registry import engine_type
from fireside.errors import EngineUnavailable
from fireside.settings import Settings


def engine_of(spec: ModelSpec) -> EngineType[Any]:
    """The type of the engine that runs a model."""
    return engine_type(spec.engine.kind)


def engine_options(
    spec: ModelSpec, settings: Settings, path: Path | None = None, tokens: TokenTable | None = None
) -> EngineOptions:
    """The options for a model whose files are at `path`, of its engine's own type."""
    engine = engine_of(spec)
    limit = settings.context_length or spec.context_length
    options: EngineOptions = engine.configure(
        {**engine.from_settings(settings, lora=spec.lora), **spec.engine.options},
        model_path="" if path is None else str(path),
        cache_dir=str(settings.cache_dir),
        context_length=min(limit, spec.context_length),
        max_num_seqs=spec.engine.max_num_seqs + spare_seqs(spec.engine.max_num_seqs),
        tokens=tokens,
    )
    return options


def check_requirements(spec: ModelSpec, options: EngineOptions) -> None:
    """Raises EngineUnavailable when this machine lacks what the engine needs."""
    if problems := list(engine_of(spec).requirements(options)):
        raise EngineUnavailable(f"The {spec.engine.kind} engine cannot run here. {' '.join(problems)}")


def spare_seqs(max_num_seqs: int) -> int:
    """Requests that run beside those that a model has room for of one account: in these places others begin at once,
    however many it has sent."""
    return 0 if max_num_seqs == 1 else max(1, max_num_seqs // 4)
