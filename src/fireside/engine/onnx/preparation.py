"""Prepares a request before its first step: threads compile its grammar and load its adapter."""

from concurrent.futures import Future
from dataclasses import dataclass

from fireside.engine.grammar.compiler import GrammarCompiler
from fireside.engine.grammar.constraint import Constraint
from fireside.engine.onnx.adapters import AdapterTable
from fireside.engine.onnx.lora import Slot as AdapterSlot
from fireside.engine.types import GenerationRequest


@dataclass(frozen=True, slots=True)
class Prepared:
    """The adapter and constraint of a running request."""

    adapter: AdapterSlot | None = None
    constraint: Constraint | None = None


class Preparation:
    """Prepares requests. Used only by the engine's thread.

    Args:
        adapters: None for a model without adapters.
    """

    def __init__(self, grammars: GrammarCompiler, adapters: AdapterTable | None, vocab_size: int) -> None:
        self._grammars = grammars
        self._adapters = adapters
        self._vocab_size = vocab_size
        self._compiling: dict[int, Future[Constraint]] = {}

    def begin(self, request_id: int, request: GenerationRequest) -> None:
        """Start compiling the request's grammar, if it has one."""
        if request.grammar is not None:
            self._compiling[request_id] = self._grammars.compile(request.grammar, self._vocab_size, request.account)

    def acquire(self, request_id: int, request: GenerationRequest) -> Prepared | None:
        """Return what the request needs and keep it until `release`; None while it is not ready.

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
        """Release what the request acquired: it has ended, or cannot run yet."""
        if request.adapter is not None:
            assert self._adapters is not None
            self._adapters.release(request.adapter)

    def forget(self, request_id: int) -> None:
        """Stop preparing a request: it runs now, or never will."""
        if compiling := self._compiling.pop(request_id, None):
            compiling.cancel()
