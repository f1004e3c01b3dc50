"""The shared context of all routes."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from fireside.api.batches import Batches
from fireside.catalog.spec import ModelSpec
from fireside.errors import UnknownModel
from fireside.finetunes.service import FineTunes
from fireside.functions.reader import FunctionReader
from fireside.functions.sandbox import Sandbox
from fireside.serving.downloads import Downloads
from fireside.serving.types import TextService
from fireside.settings import Settings
from fireside.store.store import Store


@dataclass(frozen=True, slots=True)
class Control:
    """Control over the running server, offered by the process that runs it.

    Args:
        secret: the secret in the server's own file.
        stop: begins the shutdown and returns immediately.
        load: returns once a model is in memory. Raises the errors of loading it.
        unload: ends a model's engine, and says whether there was one. Raises Busy while it is at work.
    """

    secret: str = field(repr=False)
    stop: Callable[[], None]
    load: Callable[[str], Awaitable[None]]
    unload: Callable[[str], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class Context:
    """Created once, in `create_app`."""

    settings: Settings
    service: TextService
    store: Store
    finetunes: FineTunes
    downloads: Downloads
    sandbox: Sandbox
    function_reader: FunctionReader
    batches: Batches
    control: Control | None = None

    def exact_model(self, model: str) -> ModelSpec:
        """The model with this id or alias itself, never its stand-in. Raises UnknownModel, InvalidModelId."""
        for spec in self.service.models():
            if model in spec.names:
                return spec
        self.service.resolve(model)
        raise UnknownModel(f"No such model {model} or task")
