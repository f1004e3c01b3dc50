"""What a request needs before it may step: its grammar compiled, its adapter in memory. Threads do both."""

from concurrent.futures import Future
from dataclasses import dataclass

from fireside.engine.grammar.compiler import GrammarCompiler
from fireside.engine.grammar.constraint import Constraint
from fireside.engine.onnx.adapters import AdapterTable
from fireside.engine.onnx.lora import Slot as AdapterSlot
from fireside.engine.types import GenerationRequest


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a running request holds."""

    adapter: AdapterSlot | None = None
    constraint: Constraint | None = None


class Preparation:
    """Lives in the engine's one thread.

    Args:
        adapters: None for a model that takes none.
    """

    def __init__(self, grammars: GrammarCompiler, adapters: AdapterTable | None, vocab_size: int) -> None:
        self._grammars = grammars
        self._adapters = adapters
        self._vocab_size = vocab_size
        self._compiling: dict[int, Future[Constraint]] = {}

    def begin(self, request_id: int, request: GenerationRequest) -> None:
        """Start what takes time."""
        if request.grammar is not None:
            self._compiling[request_id] = self._grammars.compile(request.grammar, self._vocab_size, request.account)

    def acquire(self, request_id: int, request: GenerationRequest) -> Prepared | None:
        """What the request needs, kept for it until `release`; None while it is not there yet.

        Raises BadGrammar, EngineFailed.
        """
        compiling = self._compiling.get(request_id)
        if compiling is not None and not compiling.done():
            return None
        constraint = compiling.result() if compiling is not None else None
        adapter = None
        if request.adapter is not None:
            assert self._adapters is not None
            if (adapter := self._adapters.acquire(request.adapter)) is None:
                return None
        return Prepared(adapter, constraint)

    def release(self, request: GenerationRequest) -> None:
        """What was acquired is needed no more, or not yet."""
        if request.adapter is not None:
            assert self._adapters is not None
            self._adapters.release(request.adapter)

    def forget(self, request_id: int) -> None:
        """The request waits no more: it runs, or never will."""
        if compiling := self._compiling.pop(request_id, None):
            compiling.cancel()
