"""Fireside's HTTP/1.1 connection: uvicorn's httptools protocol with bounds on what a hostile peer may do.

httptools itself limits neither size nor time of a request's head, and uvicorn has such a limit for h11 only. Here:

- the head (request line and header fields, trailers too) has at most `MAX_HEAD_BYTES` and `MAX_FIELDS`: else 431;
- it must be complete within `header_timeout` seconds of the connection's or its own start: else 408. The same clock
  runs for what is left of a body after its answer is done;
- at most `MAX_PIPELINED` requests wait behind one that is being answered;
- an answer that is written, but not taken by the peer within `write_timeout` seconds, is dropped with its connection;
- a request that offers to switch to HTTP/2 or WebSocket is answered as if it had not (JDK's client offers it with each
  POST): httptools would take its body for bytes of that other protocol;
- a refused request gets the API's error envelope;
- when a connection ends, every request on it learns of it (uvicorn tells only the last of several pipelined ones);
- a connection may stay idle between two requests for `idle_timeout` seconds;
- connections are counted (`fireside.api.http.connections`): one that is idle is closed for others;
- an HTTP/1.0 client never gets chunks, which it could not read: the connection's end is the answer's.

Not covered here: a body's time and size (`fireside.api.http.body`), streams (`fireside.api.http.sse`).
"""

import asyncio
import sys
from typing import Any

from httptools import HttpParserUpgrade, HttpRequestParser
from uvicorn._types import ASGI3Application
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from fireside.api.http.auth import PROBE_PATHS
from fireside.api.http.connections import Connections, peer_of
from fireside.api.http.envelope import error_answer
from fireside.api.http.sse import ABORT
from fireside.errors import BadHttp, Busy, FiresideError, HeadersTooLarge, RequestTimeout

MAX_HEAD_BYTES = 32 * 1024
MAX_FIELDS = 128
MAX_PIPELINED = 16


class BoundedHttpProtocol(HttpToolsProtocol):
    """One connection. The timeouts are set by a subclass, as uvicorn makes the objects itself."""

    header_timeout: float
    idle_timeout: float
    write_timeout: float
    census: Connections

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.timeout_keep_alive = self.idle_timeout  # type: ignore[assignment]  # uvicorn's own is in whole seconds
        self._running: RequestResponseCycle | None = None
        self._refusal: FiresideError | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._in_head = False
        self._head_bytes = 0
        self._head_fields = 0
        self._parsed_something = False
        self._unparsed_bytes = 0
        self._data = b""
        self.peer = ""
        self._is_welcome = True

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.peer = peer_of(self.client)
        self._is_welcome = self.census.add(self)
        self._arm()

    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm()
        self.census.remove(self)
        for cycle in (self._running, *(cycle for cycle, _ in self.pipeline)):
            if cycle is not None and not cycle.response_complete:
                cycle.disconnected = True
                cycle.message_event.set()
        self.pipeline.clear()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._parsed_something = False
        self._data = data
        super().data_received(data)
        self._data = b""
        if self.transport.is_closing():
            return
        # The parser holds a field until it is complete and shows it only then: what yields nothing is counted here.
        self._unparsed_bytes = 0 if self._parsed_something else self._unparsed_bytes + len(data)
        if self._unparsed_bytes > MAX_HEAD_BYTES:
            self._refusal = _too_large()
            self.send_400_response("")
        elif self._deadline is None and (self._in_head or self._is_idle()):
            self._arm()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._parsed_something = self._in_head = True
        self._head_bytes = self._head_fields = 0

    def on_url(self, url: bytes) -> None:
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head_fields += 1
        self._count(len(name) + len(value))
        if self._in_head:  # a trailer is not a header: nobody looks at it
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._parsed_something = True
        self._in_head = False
        self._disarm()
        if self.parser.get_method() == b"CONNECT":
            raise self._refuse(BadHttp("CONNECT is not supported: this server is not a proxy."))
        if self.parser.get_http_version() not in ("1.0", "1.1"):
            raise self._refuse(BadHttp("This server speaks HTTP/1.1 and HTTP/1.0."))
        if not self._is_welcome and self.url.partition(b"?")[0].decode("latin-1") not in PROBE_PATHS:
            raise self._refuse(Busy("The server has reached its limit of connections. Try again later."))
        if self.parser.should_upgrade():
            return  # on to _unsupported_upgrade_warning
        if len(self.pipeline) >= MAX_PIPELINED:
            raise self._refuse(
                BadHttp(f"This connection has more than {MAX_PIPELINED} pipelined requests: wait for their answers.")
            )
        if self.parser.get_http_version() == "1.0":
            self.expect_100_continue = False  # it would take "100 Continue" for the answer (RFC 9110, 10.1.1)
        self.scope["extensions"] = {ABORT: {"abort": self.transport.abort}}
        self.census.is_busy(self)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._parsed_something = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._parsed_something = True
        if not self.parser.should_upgrade():
            super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._is_idle():
            self.census.is_idle(self)
        if self.transport.get_write_buffer_size() > 0:
            self.loop.call_later(self.write_timeout, self._abort_if_not_taken)

    def give_way(self) -> None:
        """Close: another connection takes the place of this one, which has nothing to do."""
        self.transport.close()

    def send_400_response(self, msg: str) -> None:
        """Refuse what came, whatever uvicorn's own text for it is, and close."""
        if self._running is not None and self._running.response_started and not self._running.response_complete:
            # In the middle of another answer there is no place for this one.
            self.transport.abort()
            return
        error = self._refusal or BadHttp("This is not a valid HTTP/1.1 request.")
        answer = error_answer(error)
        head = [STATUS_LINE[answer.status_code], b"connection: close\r\n"]
        head += [b"%s: %s\r\n" % field for field in answer.raw_headers]
        self.transport.write(b"".join([*head, b"\r\n", bytes(answer.body)]))
        self.transport.close()
        self.loop.call_later(self.write_timeout, self._abort_if_not_taken)

    def _unsupported_upgrade_warning(self) -> None:
        """Read the request again without its offer. uvicorn calls this where it handles `HttpParserUpgrade`."""
        switch = sys.exception()
        assert isinstance(switch, HttpParserUpgrade)
        rest = self._data[switch.args[0] :]
        line = b"%b %b HTTP/%b" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())
        fields = [b"%b: %b" % field for field in self.headers if field[0] not in (b"upgrade", b"connection")]
        if any(name == b"connection" and b"close" in value.lower() for name, value in self.headers):
            fields.append(b"connection: close")
        self.parser = HttpRequestParser(self)
        self.data_received(b"\r\n".join([line, *fields, b"", b""]) + rest)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, _until_close(cycle, app) if cycle.scope["http_version"] == "1.0" else app)

    def _is_idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _count(self, size: int) -> None:
        self._parsed_something = True
        self._head_bytes += size
        if self._head_bytes > MAX_HEAD_BYTES or self._head_fields > MAX_FIELDS:
            raise self._refuse(_too_large())

    def _refuse(self, error: FiresideError) -> FiresideError:
        """Raised from a callback, it stops the parser; `send_400_response` finds here what it was."""
        self._refusal = error
        return error

    def _arm(self) -> None:
        self._deadline = self.loop.call_later(self.header_timeout, self._on_deadline)

    def _disarm(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _on_deadline(self) -> None:
        self._deadline = None
        if self.transport.is_closing():
            return
        if not self._is_idle():
            self.cycle.keep_alive = False
        elif self._in_head:
            self._refusal = RequestTimeout(f"The headers did not arrive within {self.header_timeout:g} seconds.")
            self.send_400_response("")
        else:
            self.transport.close()

    def _abort_if_not_taken(self) -> None:
        if self.transport.get_write_buffer_size() > 0:
            self.transport.abort()


def _until_close(cycle: RequestResponseCycle, app: ASGI3Application) -> ASGI3Application:
    """The application with answers of unknown length unframed, where uvicorn would send chunks."""

    async def unchunked(scope: Any, receive: Any, send: Any) -> None:
        unframed = False

        async def forward(message: Any) -> None:
            nonlocal unframed
            if message["type"] == "http.response.start":
                unframed = all(name.lower() != b"content-length" for name, _ in message.get("headers", []))
                if unframed:
                    cycle.chunked_encoding = False
            elif unframed:
                cycle.expected_content_length = len(message.get("body", b""))  # else uvicorn misses the declared rest
            await send(message)

        await app(scope, receive, forward)

    return unchunked


def _too_large() -> HeadersTooLarge:
    return HeadersTooLarge(f"The request's headers exceed {MAX_HEAD_BYTES} bytes or {MAX_FIELDS} fields.")
