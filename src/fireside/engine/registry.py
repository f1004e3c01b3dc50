"""All engines that there are: the one place to name a new one."""

from importlib import import_module
from typing import Any

from fireside.engine.engine_type import EngineType
from fireside.engine.options import EngineOptions
from fireside.engine.protocol import Engine

_MODULES = {
    "echo": "fireside.engine.echo",
    "onnx": "fireside.engine.onnx",
    "replay": "fireside.engine.replay",
    "vllm": "fireside.engine.vllm",
}
"""By kind, the module whose `ENGINE` says what the engine is. It is imported when something asks for that kind."""


def kinds() -> list[str]:
    """All of them, by name."""
    return sorted(_MODULES)


def engine_type(kind: str) -> EngineType[Any]:
    """The engine of this kind. Raises KeyError for a name that is none of `kinds`."""
    engine = import_module(_MODULES[kind]).ENGINE
    assert isinstance(engine, EngineType)
    return engine


def create(kind: str, options: EngineOptions) -> Engine:
    """An engine that is not started yet.

    Args:
        options: of its own type, as `EngineType.configure` makes them.
    """
    # The engine's process imports this module to find its engine, and has no engines of its own.
    from fireside.engine.process import ProcessEngine

    return ProcessEngine(engine_type(kind), options)
