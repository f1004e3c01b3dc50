"""How long the way of a streamed token is: the functions of Fireside that the server's process calls for each one.

Requests go to the application in this process, as ASGI messages; the echo engine is a process of its own, as always.
`sys.setprofile` sees each call and each time a coroutine goes on. Two answers of different lengths are compared, so
that what a request costs once counts for nothing.
"""

import asyncio
import json
import sys
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Any

from starlette.types import ASGIApp, Message

import fireside
from fireside.api.app import create_app
from fireside.catalog.loader import Catalog
from fireside.serving.service import Service
from fireside.settings import Settings
from fireside.store.store import Store

ECHO = "@hf/fireside/echo"
SHORT, LONG = 20, 220
ROUNDS = 3

_SOURCES = str(Path(fireside.__file__).parent)


async def calls_per_token(folder: Path, path: str, body: dict[str, Any]) -> tuple[float, dict[str, float]]:
    """Calls for each further token of a streamed answer, in all and by function.

    Of several rounds the one with the fewest: in others the system cut what the engine sent into more pieces.

    Args:
        folder: for the store.
        path: of a route that answers `body` with a stream of `max_tokens` tokens.
    """
    settings = Settings(data_dir=folder, default_model=ECHO, port=0)
    service = Service(settings, Catalog.from_settings(settings))
    with Store(folder / "store.db") as store:
        app = create_app(settings, service, store)
        try:
            await _calls(app, path, body, SHORT)  # loads the engine and fills the caches
            rounds = [await _round(app, path, body) for _ in range(ROUNDS)]
        finally:
            await service.close()
    return min(rounds, key=lambda one: one[0])


async def _round(app: ASGIApp, path: str, body: dict[str, Any]) -> tuple[float, dict[str, float]]:
    more = await _calls(app, path, body, LONG)
    more.subtract(await _calls(app, path, body, SHORT))
    each = {name: count / (LONG - SHORT) for name, count in more.most_common() if count > 0}
    return sum(each.values()), each


async def _calls(app: ASGIApp, path: str, body: dict[str, Any], tokens: int) -> Counter[str]:
    """What is called for one answer, by module and function."""
    unread = [json.dumps({**body, "stream": True, "max_tokens": tokens}).encode()]
    sent: list[Message] = []

    async def receive() -> Message:
        if unread:
            return {"type": "http.request", "body": unread.pop(), "more_body": False}
        await asyncio.Event().wait()  # the client stays
        raise AssertionError

    async def send(message: Message) -> None:
        sent.append(message)

    counts: Counter[str] = Counter()

    def count(frame: FrameType, event: str, argument: object) -> None:
        if event == "call" and frame.f_code.co_filename.startswith(_SOURCES):
            module = Path(frame.f_code.co_filename).relative_to(_SOURCES).with_suffix("")
            counts[f"{module}:{frame.f_code.co_qualname}"] += 1

    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "scheme": "http",
        "path": path, "raw_path": path.encode(), "query_string": b"", "root_path": "", "state": {}, "extensions": {},
        "headers": [(b"host", b"127.0.0.1"), (b"content-type", b"application/json")],
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80),
    }  # fmt: skip
    sys.setprofile(count)
    try:
        await app(scope, receive, send)
    finally:
        sys.setprofile(None)
    frames = sum(message.get("body", b"").count(b"\n\n") for message in sent)
    assert sent[0]["status"] == 200, sent
    assert frames >= tokens, (frames, tokens)
    return counts
