"""The echo engine: deterministic, without weights."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

from msgspec import Meta

from fireside.engine.engine_type import EngineType
from fireside.engine.options import EngineOptions
from fireside.engine.protocol import Progress
from fireside.engine.runner import Runner

if TYPE_CHECKING:
    from fireside.settings import Settings


class EchoOptions(EngineOptions, frozen=True, kw_only=True):
    """Options of the echo engine.

    Args:
        tokens_per_second: speed of each answer; 0 means unlimited.
    """

    tokens_per_second: Annotated[float, Meta(ge=0)] = 0.0


def _from_settings(settings: "Settings", *, lora: bool) -> Mapping[str, Any]:
    return {"tokens_per_second": settings.echo_tokens_per_second}


def _make_runner(options: EchoOptions, progress: Progress) -> Runner:
    from fireside.engine.echo.runner import EchoRunner

    return EchoRunner(options)


ENGINE = EngineType(
    kind="echo",
    options=EchoOptions,
    make_runner=_make_runner,
    from_settings=_from_settings,
    lacks={"adapter": "LoRA adapters"},
    reads_weights=False,
)
