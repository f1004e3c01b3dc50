"""Asynchronous requests: a batch is queued, runs in the background, and is polled by its id.

Batches are kept in memory and lost when the server stops. Requests and bytes per account are bounded; the oldest
finished batches are evicted first. Only a few of an account's batch requests run at a time, so that its interactive
requests share the engine with them instead of queueing behind them.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import uuid4

import msgspec

from fireside.api.http.envelope import ErrorInfo, error_envelope
from fireside.api.schema.run_input import TextInput, parse_input
from fireside.api.schema.run_output import TokenUsage, usage_object
from fireside.api.unset import UNSET, Unset
from fireside.errors import BatchNotFound, Busy, FiresideError, InvalidInput
from fireside.serving.types import Usage
from fireside.settings import Settings

logger = logging.getLogger(__name__)

AT_ONCE = 4
"""Maximum number of an account's batch requests that run at the same time."""

MAX_REFERENCE = 256


@dataclass(frozen=True, slots=True)
class BatchItem:
    """One request of a batch: its checked input as JSON, and the client's own reference."""

    text: bytes
    reference: str | None


@dataclass(frozen=True, slots=True)
class NewBatch:
    """A batch to queue."""

    items: tuple[BatchItem, ...]


@dataclass(frozen=True, slots=True)
class BatchLookup:
    """The id of the batch to look up."""

    request_id: str


@dataclass(frozen=True, slots=True)
class BatchTicket:
    """A batch that is queued or running. `model` is as the client wrote it."""

    status: Literal["queued", "running"]
    request_id: str
    model: str


@dataclass(frozen=True, slots=True)
class BatchResponse:
    """The outcome of one request of a batch.

    Args:
        id: its place in the batch.
        result: as in the response of the run route; null if the request failed.
        errors: the reasons if the request failed.
    """

    id: int
    result: Any
    success: bool
    external_reference: str | None
    errors: list[ErrorInfo] | Unset = UNSET


@dataclass(frozen=True, slots=True)
class BatchResults:
    """A finished batch: its responses in the order of the requests, and their total usage."""

    responses: list[Any]
    usage: TokenUsage


Answer = Callable[[dict[str, Any]], Awaitable[tuple[object, Usage]]]
"""Runs one input and returns its result and usage."""


def read_run(body: dict[str, Any], *, queue: bool = False) -> TextInput | NewBatch | BatchLookup:
    """Parse a body of the run route: an input, a new batch, or the lookup of a batch.

    Args:
        queue: the request asks to be queued, by its query string.

    Raises InvalidInput, which names the position of an invalid request in the batch.
    """
    is_input = body.get("prompt") is not None or body.get("messages") is not None
    if (requests := body.get("requests")) is not None:
        if is_input:
            raise InvalidInput(["requests: cannot be combined with prompt or messages; put these into each request"])
        return NewBatch(_items(requests))
    if (request_id := body.get("request_id")) is not None and not is_input:
        if not isinstance(request_id, str):
            raise InvalidInput(["request_id: should be a string"])
        return BatchLookup(request_id)
    if queue or any(_says(place, "queueRequest") for place in (body, body.get("options"))):
        return NewBatch((_item(body),))
    return parse_input(body)


def _says(place: object, name: str) -> bool:
    return isinstance(place, dict) and place.get(name) in (True, "true")


def _items(requests: object) -> tuple[BatchItem, ...]:
    if not isinstance(requests, list) or not requests:
        raise InvalidInput(['requests: should be an array with at least one request, like [{"prompt": "…"}]'])
    items = []
    for number, request in enumerate(requests):
        place = f"requests.{number}"
        if not isinstance(request, dict):
            raise InvalidInput([f"{place}: should be an object"])
        try:
            items.append(_item(request))
        except InvalidInput as error:
            raise InvalidInput([f"{place}.{problem}" for problem in error.problems]) from None
    return tuple(items)


def _item(request: dict[str, Any]) -> BatchItem:
    reference = request.get("external_reference")
    if reference is not None and not (isinstance(reference, str) and len(reference) <= MAX_REFERENCE):
        raise InvalidInput([f"external_reference: should be a string of at most {MAX_REFERENCE} characters"])
    if parse_input(request).stream:
        raise InvalidInput(["stream: not supported in a batch"])
    return BatchItem(msgspec.json.encode(request), reference)


@dataclass(slots=True)
class _Batch:
    """`responses` are JSON, or None until finished. `size` is the memory that the batch holds, in bytes."""

    id: str
    model: str
    items: Sequence[BatchItem]
    answer: Answer
    responses: list[bytes | None]
    size: int
    left: int
    begun: bool = False
    usage: Usage = field(default_factory=Usage)


@dataclass(slots=True)
class _Account:
    """The batches of one account, oldest first, and their pending requests."""

    batches: dict[str, _Batch] = field(default_factory=dict)
    waiting: deque[tuple[_Batch, int]] = field(default_factory=deque)
    running: set["asyncio.Task[None]"] = field(default_factory=set)


class Batches:
    """The batches of all accounts. Not thread-safe: use it in the event loop only."""

    def __init__(self, settings: Settings) -> None:
        self._most_requests = settings.batch_requests
        self._most_bytes = settings.account_body_mb << 20
        self._kept_seconds = settings.batch_seconds
        self._accounts: dict[str, _Account] = {}

    def submit(self, account_id: str, model: str, new: NewBatch, answer: Answer) -> BatchTicket:
        """Queue a batch. Raises Busy if the account's unfinished batches leave no room."""
        account = self._accounts.get(account_id) or _Account()
        size = sum(len(item.text) for item in new.items)
        self._make_room(account, len(new.items), size)
        batch = _Batch(str(uuid4()), model, new.items, answer, [None] * len(new.items), size, len(new.items))
        self._accounts[account_id] = account
        account.batches[batch.id] = batch
        account.waiting.extend((batch, place) for place in range(len(batch.items)))
        for _ in range(min(AT_ONCE - len(account.running), len(account.waiting))):
            task = asyncio.create_task(self._run(account_id, account), name=f"batches of {account_id}")
            account.running.add(task)
            task.add_done_callback(account.running.discard)
        return BatchTicket("queued", batch.id, model)

    def look_up(self, account_id: str, request_id: str) -> BatchTicket | BatchResults:
        """State or results of a batch of this account. Raises BatchNotFound."""
        account = self._accounts.get(account_id)
        batch = account.batches.get(request_id) if account else None
        if batch is None:
            raise BatchNotFound(
                "request_id: this account has no batch with this id. Results are kept for "
                f"{self._kept_seconds:g} seconds, or until newer batches need the memory or the server stops."
            )
        if batch.left:
            return BatchTicket("running" if batch.begun else "queued", batch.id, batch.model)
        responses = [msgspec.Raw(text) for text in batch.responses if text is not None]
        return BatchResults(responses, usage_object(batch.usage))

    def _make_room(self, account: _Account, requests: int, size: int) -> None:
        """Drop finished batches, oldest first, until the new one fits. Raises Busy if it does not fit."""
        if requests > self._most_requests:
            raise InvalidInput([f"requests: a batch may have at most {self._most_requests}, got {requests}"])
        done = [batch for batch in account.batches.values() if not batch.left]
        requests += sum(len(batch.items) for batch in account.batches.values())
        size += sum(batch.size for batch in account.batches.values())
        while requests > self._most_requests or size > self._most_bytes:
            if not done:
                raise Busy("This account's batch queue is full: wait until batches finish, or send fewer requests.")
            oldest = done.pop(0)
            del account.batches[oldest.id]
            requests, size = requests - len(oldest.items), size - oldest.size

    async def _run(self, account_id: str, account: _Account) -> None:
        """Run the account's pending requests until none is left."""
        while account.waiting:
            batch, place = account.waiting.popleft()
            batch.begun = True
            text = await _respond(batch, place)
            batch.responses[place] = text
            batch.size += len(text) - len(batch.items[place].text)
            batch.left -= 1
            if not batch.left:
                asyncio.get_running_loop().call_later(self._kept_seconds, self._forget, account_id, batch.id)

    def _forget(self, account_id: str, request_id: str) -> None:
        account = self._accounts.get(account_id)
        if account is not None:
            account.batches.pop(request_id, None)
            if not account.batches:
                del self._accounts[account_id]


async def _respond(batch: _Batch, place: int) -> bytes:
    """Run one request and return its response as JSON, also if it failed."""
    item = batch.items[place]
    try:
        fields = await asyncio.to_thread(msgspec.json.decode, item.text)
        result, usage = await batch.answer(fields)
        batch.usage.add(usage)
        response = BatchResponse(place, result, success=True, external_reference=item.reference)
    except Exception as error:
        if not isinstance(error, FiresideError):
            logger.exception("A request of batch %s failed", batch.id)
        response = BatchResponse(
            place, None, success=False, external_reference=item.reference, errors=error_envelope(error).errors
        )
    return msgspec.json.encode(response)
