"""What stands in front of every engine, once: what it can do, what fits its context, who may wait, whose turn it is.

An engine is handed as many requests as it runs at the same time, so that the order between accounts is decided here and
nowhere else. A place that becomes free goes to the account that has had the fewest tokens (`fireside.engine.fairness`).
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
    """How far an answer is. It is read when a place becomes free, so that a token costs no call."""

    @property
    def completion_tokens(self) -> int:
        """Tokens of the answer so far."""
        ...


@dataclass(eq=False, slots=True)
class _Ticket:
    """One request that waits for a place or has one. `counted` are the tokens of its answer that were charged."""

    account: str
    prompt_tokens: int
    progress: Progress
    counted: int = 0
    turn: "asyncio.Future[None]" = field(init=False)

    def __post_init__(self) -> None:
        self.turn = asyncio.get_running_loop().create_future()


class Admission:
    """In front of one loaded engine; for one event loop.

    Args:
        engine: its type, which says what it lacks.
        info: what it has.
        share: most requests of one account that it runs at the same time.
        queue: most requests of one account that may wait.
        of: what is at capacity, for messages.
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
        """How many requests wait."""
        return self._turns.waiting

    @asynccontextmanager
    async def admitted(
        self, request: GenerationRequest, prompt_tokens: int, progress: Progress, *, wait: bool = True
    ) -> AsyncIterator[None]:
        """A place in the engine for this request, inside the context.

        Args:
            request: its prompt does not matter: many may have to wait, and prompts are long.
            prompt_tokens: length of the prompt.
            wait: False asks for Busy rather than for a place in the queue.

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
                raise FeatureUnavailable(f"The {self._kind} engine, which runs this model, does not do {words}.")

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
    """Whether a field is one of Sampling, and the value at which a request does not ask for it."""
    of_sampling = name in Sampling.__struct_fields__
    [default] = [
        one.default
        for one in msgspec.structs.fields(Sampling if of_sampling else GenerationRequest)
        if one.name == name
    ]
    return of_sampling, default
