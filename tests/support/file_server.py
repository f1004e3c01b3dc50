"""Files over real HTTP on loopback, by a server that can be told to misbehave."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Served:
    """One answer, and how it goes wrong.

    Args:
        cuts: for each of the first requests, after how many bytes the connection is dropped; then no more.
        ranges: whether range requests are understood.
        statuses: statuses that the first requests get instead.
        needs: header (lower case) and value without which the answer is 401.
        unsized: send no length; the end of the connection is the end of the content.
        before: called before each answer.
        headers: more of them.
        location: where requests are sent on to.
    """

    content: bytes
    content_type: str = "application/octet-stream"
    cuts: list[int] = field(default_factory=list)
    ranges: bool = True
    statuses: list[int] = field(default_factory=list)
    needs: tuple[str, str] | None = None
    unsized: bool = False
    before: Callable[[], None] = lambda: None
    headers: dict[str, str] = field(default_factory=dict)
    location: str = ""


@dataclass
class FileServer:
    """A running server: put answers into `files` by path; what was asked is in `requests`."""

    url: str
    files: dict[str, Served] = field(default_factory=dict)
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def ranges_of(self, path: str) -> list[str]:
        """The range header of each request for the path, "" where it had none."""
        return [headers.get("range", "") for asked, headers in self.requests if asked == path]


@contextlib.contextmanager
def file_server() -> Iterator[FileServer]:
    """A server without files, on a free loopback port."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            pass

        def do_HEAD(self) -> None:
            self.answer(body=False)

        def do_GET(self) -> None:
            self.answer(body=True)

        def answer(self, body: bool) -> None:
            path = self.path.partition("?")[0]
            headers = {name.lower(): value for name, value in self.headers.items()}
            files.requests.append((path, headers))
            served = files.files.get(path)
            if served is None:
                self.send_error(404)
                return
            served.before()
            if served.needs is not None and headers.get(served.needs[0]) != served.needs[1]:
                self.send_error(401)
                return
            if served.statuses:
                self.send_error(served.statuses.pop(0))
                return
            if served.location:
                self.send_response(302)
                self.send_header("location", served.location)
                self.send_header("content-length", "0")
                self.end_headers()
                return
            self.send(served, headers.get("range", ""), body)

        def send(self, served: Served, wanted: str, body: bool) -> None:
            content, start = served.content, 0
            if wanted and served.ranges:
                start = int(wanted.removeprefix("bytes=").partition("-")[0])
                if start >= len(content):
                    self.send_error(416)
                    return
                self.send_response(206)
                self.send_header("content-range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            else:
                self.send_response(200)
            self.send_header("content-type", served.content_type)
            for name, value in served.headers.items():
                self.send_header(name, value)
            if not served.unsized:
                self.send_header("content-length", str(len(content) - start))
            self.end_headers()
            if body:
                end = start + served.cuts.pop(0) if served.cuts else len(content)
                with contextlib.suppress(ConnectionError):
                    self.wfile.write(content[start:end])

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        files = FileServer(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield files
        finally:
            server.shutdown()
            thread.join()
