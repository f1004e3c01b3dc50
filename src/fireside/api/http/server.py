"""The HTTP server around the application: socket, timeouts, shutdown."""

import asyncio
import gc
import math
import socket
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

from fireside.api.http.connections import connections_for
from fireside.api.http.protocol import BoundedHttpProtocol
from fireside.errors import ConfigError
from fireside.settings import Settings

BACKLOG = 2048

_LAST_WORDS_SECONDS = 2.0

SWITCH_SECONDS = 0.0005
"""Most time that another thread's Python keeps the event loop waiting. With Python's own 5 ms each of a request's dozen
steps waits for that long while a large body is read."""

GARBAGE_THRESHOLDS = (50_000, 20, 20)
"""When to look for garbage that refers to itself. With Python's own 700, a body with 27,000 maps was looked through
again and again while it was read: it took four times as long, and nobody else was served meanwhile."""

# A peer that vanished without a word is noticed by these (Linux names; elsewhere those that exist). Accepted sockets
# inherit them from the listening one.
_TCP_OPTIONS = {"TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 15, "TCP_KEEPCNT": 4, "TCP_USER_TIMEOUT": 60_000, "TCP_NODELAY": 1}


def listen(settings: Settings) -> socket.socket:
    """A listening socket for `settings.host` and `settings.port`. Raises ConfigError when the address cannot be had.

    Connections made from now on wait until a server accepts them.
    """
    place = f"{settings.host} port {settings.port}"
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as error:
        raise ConfigError(f"Cannot listen on {place}: {error}. Set another host (FIRESIDE_HOST).") from error
    sock = socket.socket(family, kind, protocol)
    try:
        if sys.platform != "win32":  # there it would let two servers share a port
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in _TCP_OPTIONS.items():
            if hasattr(socket, name):
                sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
        sock.bind(address)
        sock.listen(BACKLOG)
    except OSError as error:
        sock.close()
        raise ConfigError(
            f"Cannot listen on {place}: {error.strerror}. Is another server running there? "
            "(`fireside ps` lists yours.) Set another port (FIRESIDE_PORT)."
        ) from error
    return sock


def url_of(sock: socket.socket) -> str:
    """The base URL of a listening socket, with the port it really has."""
    host, port = sock.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class Server(uvicorn.Server):
    """uvicorn's server, whose `serve` returns after a signal, rather than raise it once more.

    The first SIGINT or SIGTERM stops accepting and lets running answers end, for at most `drain_seconds`; then, or at a
    second signal, each of those that are left gets its error and ends.

    Args:
        listening: called with the base URL once connections are accepted.
    """

    def __init__(self, config: uvicorn.Config, listening: Callable[[str], None] | None = None) -> None:
        super().__init__(config)
        self._listening = listening

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start accepting."""
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)
        if self._listening is not None and sockets:
            self._listening(url_of(sockets[0]))

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop accepting, drain, and let what was cut off say so to its clients."""
        await super().shutdown(sockets)
        if self.server_state.tasks:
            await asyncio.wait(self.server_state.tasks, timeout=_LAST_WORDS_SECONDS)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Handle a signal."""
        if self.should_exit:
            self.force_exit = True
            self._loop.call_soon_threadsafe(self._cut_off)
        self.should_exit = True

    def _cut_off(self) -> None:
        for task in self.server_state.tasks:
            task.cancel()


def make_server(app: ASGIApp, settings: Settings, listening: Callable[[str], None] | None = None) -> Server:
    """A server for the application; `server.run(sockets=[listen(settings)])` runs it until it is told to stop."""

    class Protocol(BoundedHttpProtocol):
        census = connections_for(settings)
        header_timeout = settings.header_timeout
        idle_timeout = settings.idle_timeout
        write_timeout = settings.write_timeout

    config = uvicorn.Config(
        app,
        http=Protocol,
        ws="none",
        lifespan="off",
        interface="asgi3",
        backlog=BACKLOG,
        timeout_graceful_shutdown=math.ceil(settings.drain_seconds),
        proxy_headers=False,
        server_header=False,
        access_log=False,
        log_config=None,
    )
    return Server(config, listening)


def serve(
    app: ASGIApp,
    settings: Settings,
    *,
    lifespan: AbstractAsyncContextManager[object] | None = None,
    listening: Callable[[str], None] | None = None,
) -> None:
    """Listen and serve until SIGINT or SIGTERM; returns when all is drained and closed. For the main thread.

    Args:
        app: of `fireside.api.app.create_app`.
        lifespan: open while the server runs, in its event loop: the place to start and to close the service.
        listening: called with the base URL ("http://127.0.0.1:8787") once connections are accepted.

    Raises:
        ConfigError: the address cannot be had. Nothing was started then.
        Exception: whatever `lifespan` raises.
    """

    async def run() -> None:
        async with lifespan or nullcontext():
            await server.serve(sockets=[sock])

    sys.setswitchinterval(SWITCH_SECONDS)
    gc.collect()
    gc.freeze()  # what is there by now stays to the end
    gc.set_threshold(*GARBAGE_THRESHOLDS)
    with listen(settings) as sock:
        server = make_server(app, settings, listening)
        with asyncio.Runner(loop_factory=server.config.get_loop_factory()) as runner:
            runner.run(run())
