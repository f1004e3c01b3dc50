"""What every route works with."""

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
    """What whoever runs the server offers.

    Args:
        secret: of the server's own file.
        stop: begins the server's end; returns at once.
        load: returns once a model is in memory. Raises what loading it does.
        unload: ends a model's engine, and says whether there was one. Raises Busy while it is at work.
    """

    secret: str = field(repr=False)
    stop: Callable[[], None]
    load: Callable[[str], Awaitable[None]]
    unload: Callable[[str], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class Context:
    """Made once, in `create_app`."""

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
        """The very model of this id or alias, and no stand-in for it. Raises UnknownModel, InvalidModelId."""
        for spec in self.service.models():
            if model in spec.names:
                return spec
        self.service.resolve(model)
        raise UnknownModel(f"No such model {model} or task")
