"""Admission of requests to an engine, the same for every engine: supported features, context, queue, order.

An engine is never given more requests than it runs at the same time, so the order between accounts is decided only
here. A place that becomes free goes to the account that has had the fewest tokens (`fireside.engine.fairness`).
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import msgspec

from fireside.engine.engine_type import EngineType
from fireside.engine.fairness import VirtualTokenCounter
from fireside.engine.types import EngineInfo, GenerationRequest, Sampling
from fireside.errors import Busy, ContextOverflow, FeatureUnavailable
from fireside.shares import Turns


class Progress(Protocol):
    """The progress of an answer. It is read when a place becomes free, so a token costs no call."""

    @property
    def completion_tokens(self) -> int:
        """The number of tokens in the answer so far."""
        ...


@dataclass(eq=False, slots=True)
class _Ticket:
    """A request that waits for a place or has one. `counted` is the number of its answer tokens already charged."""

    account: str
    prompt_tokens: int
    progress: Progress
    counted: int = 0
    turn: "asyncio.Future[None]" = field(init=False)

    def __post_init__(self) -> None:
        self.turn = asyncio.get_running_loop().create_future()


class Admission:
    """Admits requests to one loaded engine. To be used in one event loop.

    Args:
        engine: the engine's type, which names the features it lacks.
        info: the loaded engine's context length and `max_num_seqs`.
        share: maximum number of one account's requests that run at the same time.
        queue: maximum number of one account's requests that wait.
        of: name of what is at capacity, for messages.
    """

    def __init__(self, engine: EngineType[Any], info: EngineInfo, *, share: int, queue: int, of: str) -> None:
        self._kind = engine.kind
        self._lacks = [(name, words, *_default_of(name)) for name, words in engine.lacks.items()]
        self._context_length = info.context_length
        self._counter = VirtualTokenCounter()
        self._turns: Turns[_Ticket] = Turns(
            info.max_num_seqs, share=share, queue=queue, of=of, order=self._counter.cost
        )
        self._running: set[_Ticket] = set()

    @property
    def waiting(self) -> int:
        """The number of waiting requests."""
        return self._turns.waiting

    @asynccontextmanager
    async def admitted(
        self, request: GenerationRequest, prompt_tokens: int, progress: Progress, *, wait: bool = True
    ) -> AsyncIterator[None]:
        """Hold a place in the engine for this request while the context manager is open.

        Args:
            request: its prompt may be missing: many requests may wait, and prompts are long.
            prompt_tokens: length of the prompt.
            progress: the progress of its answer.
            wait: whether to wait in the queue; if False, raises Busy instead.

        Raises FeatureUnavailable, ContextOverflow, Busy.
        """
        self._check(request, prompt_tokens)
        ticket = _Ticket(request.account, prompt_tokens, progress)
        await self._enter(ticket, wait=wait)
        try:
            yield
        finally:
            self._leave(ticket)

    def _check(self, request: GenerationRequest, prompt_tokens: int) -> None:
        if prompt_tokens + request.max_tokens > self._context_length:
            raise ContextOverflow(prompt_tokens, request.max_tokens, self._context_length)
        for name, words, of_sampling, default in self._lacks:
            if getattr(request.sampling if of_sampling else request, name) != default:
                raise FeatureUnavailable(f"The {self._kind} engine, which runs this model, does not support {words}.")

    async def _enter(self, ticket: _Ticket, *, wait: bool) -> None:
        self._counter.wait(ticket.account)
        if self._turns.hold_at_once(ticket.account):
            self._begin(ticket)
            return
        try:
            self._turns.wait(ticket.account, ticket, may_wait=wait)
        except Busy:
            self._counter.leave(ticket.account)
            raise
        try:
            await ticket.turn
        except asyncio.CancelledError:
            if ticket in self._running:
                self._leave(ticket)
            else:
                self._turns.forget(ticket.account, ticket)
                self._counter.leave(ticket.account)
            raise

    def _begin(self, ticket: _Ticket) -> None:
        self._counter.leave(ticket.account)
        self._counter.charge(ticket.account, prompt_tokens=ticket.prompt_tokens)
        self._running.add(ticket)

    def _leave(self, ticket: _Ticket) -> None:
        for running in self._running:
            made = running.progress.completion_tokens
            self._counter.charge(running.account, answer_tokens=made - running.counted)
            running.counted = made
        self._running.remove(ticket)
        self._turns.release(ticket.account)
        while (following := self._turns.take_following()) is not None:
            account, waiting = following
            if not waiting.turn.done():
                self._turns.hold(account)
                self._begin(waiting)
                waiting.turn.set_result(None)


def _default_of(name: str) -> tuple[bool, Any]:
    """Whether a field belongs to Sampling, and its default, with which a request does not ask for the feature."""
    of_sampling = name in Sampling.__struct_fields__
    [default] = [
        one.default
        for one in msgspec.structs.fields(Sampling if of_sampling else GenerationRequest)
        if one.name == name
    ]
    return of_sampling, default
