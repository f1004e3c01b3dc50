"""Stop working for a client that has gone."""

import asyncio
from types import TracebackType

from starlette.types import Receive


class ClientGone(Exception):
    """The client closed the connection: there is nobody to answer."""


class UntilGone:
    """Async context that cancels its body when the client disconnects, and then raises `ClientGone`.

    Works as `asyncio.timeout` does, with the connection's end for a clock. The request's body must have been read
    before: inside, whatever still comes from the client is dropped.
    """

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._gone = False

    async def __aenter__(self) -> "UntilGone":
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("UntilGone needs a task to cancel")
        self._task = task
        self._watcher = asyncio.create_task(self._watch())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._watcher.cancel()
        if self._gone:
            self._task.uncancel()
            raise ClientGone from None

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._gone = True
        self._task.cancel()
