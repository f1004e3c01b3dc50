"""What every route works with."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fireside.api.batches import Batches
from fireside.finetunes.service import FineTunes
from fireside.functions.sandbox import Sandbox
from fireside.serving.downloads import Downloads
from fireside.serving.types import TextService
from fireside.settings import Settings
from fireside.store.store import Store

if TYPE_CHECKING:
    from fireside.api.routes.control import Control


@dataclass(frozen=True, slots=True)
class Context:
    """Made once, in `create_app`."""

    settings: Settings
    service: TextService
    store: Store
    finetunes: FineTunes
    downloads: Downloads
    sandbox: Sandbox
    batches: Batches
    control: "Control | None" = None
