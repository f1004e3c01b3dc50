"""What the API asks of Fireside, and what it gets back: text in, text out."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Literal, Protocol

from fireside.catalog.spec import ModelSpec
from fireside.engine.types import Adapter, EngineStats, FinishReason, Sampling
from fireside.prompting.messages import Message


@dataclass(slots=True)
class Meter:
    """Counts the tokens of one request while they come, so that an answer which is cut short is counted, too.

    The service counts up, from the first token on; whoever made the request reads.
    """

    prompt_tokens: int = 0
    completion_tokens: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TextRequest:
    """One checked text-generation request. Exactly one of `prompt` and `messages` is set.

    Args:
        model: id as the client wrote it.
        raw: no chat template; special tokens in the text count as such.
        adapter: a fine-tune's files, or None.
        tenant: the account; requests of different ones share no cached prefixes.
        wait: False asks to be refused with Busy rather than queued.
        meter: what the request has used so far.
    """

    model: str
    prompt: str | None = None
    messages: tuple[Message, ...] | None = None
    raw: bool = False
    max_tokens: int = 256
    sampling: Sampling = field(default=Sampling())
    adapter: Adapter | None = None
    tenant: str = ""
    wait: bool = True
    meter: Meter = field(default_factory=Meter, compare=False)


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one request."""

    prompt_tokens: int
    completion_tokens: int


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of the answer. The last one has `finish_reason` and `usage`; its text may be empty."""

    text: str
    finish_reason: FinishReason | None = None
    usage: Usage | None = None


ModelState = Literal["ready", "loading", "not-downloaded", "failed", "idle"]


@dataclass(frozen=True, slots=True)
class ModelStatus:
    """State of one model on this server. "idle" is downloaded, but not loaded (it loads on first use)."""

    state: ModelState
    detail: str = ""
    progress: float | None = None
    stats: EngineStats | None = None


class TextService(Protocol):
    """What `fireside.serving` offers the API."""

    def models(self) -> list[ModelSpec]:
        """Every model of the catalog."""
        ...

    def resolve(self, model: str) -> ModelSpec:
        """The model that will answer for this id (a stand-in, when the operator asked for one).

        Raises InvalidModelId, UnknownModel.
        """
        ...

    def generate(self, request: TextRequest) -> AsyncIterator[Delta]:
        """Yield the answer in pieces; closing the iterator cancels the generation.

        Raises RequestError, CapacityError, ModelError and EngineError leaves.
        """
        ...

    async def status(self, model: str) -> ModelStatus: ...
