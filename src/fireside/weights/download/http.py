"""One file over HTTP into a partial file, resumed after cut connections and killed processes."""

import re
import ssl
import time
from collections.abc import Mapping
from pathlib import Path

import httpx2

from fireside.errors import DownloadFailed
from fireside.weights.download.progress import Progress

ATTEMPTS = 6
"""Tries in a row that bring no byte before a download is given up."""
TIMEOUT = httpx2.Timeout(30, read=60)
_RETRY_STATUSES = {408, 425, 429, 500, 502, 503, 504}


class Refused(DownloadFailed):
    """The server, or something on the way to it, gave no byte.

    Args:
        status: HTTP status; 0 when there was no answer.
    """

    def __init__(self, message: str, status: int = 0) -> None:
        self.status = status
        super().__init__(message)


def fetch(
    client: httpx2.Client,
    url: str,
    part: Path,
    *,
    size: int,
    name: str,
    progress: Progress,
    headers: Mapping[str, str] | None = None,
) -> None:
    """Bring the partial file `part` to its full `size` in bytes, going on from what it has.

    The content is not checked here. Raises Refused when not one byte came, DownloadFailed when the rest did not.
    """
    download = _Download(client, url, part, size, f"Downloading {name}", progress, dict(headers or {}))
    failures = 0
    best = download.have()
    while download.have() < size:
        try:
            download.attempt()
            reason = "the server ended the connection"
        except _Passing as error:
            reason = str(error)
        if download.have() >= size:
            return
        # Only new ground counts: a server that starts over each time and always breaks off early brings none.
        failures = 1 if download.have() > best else failures + 1
        best = max(best, download.have())
        if failures >= ATTEMPTS:
            if download.received == 0:
                raise Refused(reason)
            raise DownloadFailed(
                f"The download of {name} broke off at {download.have():,} of {size:,} bytes: {reason}. "
                "Run the same command again to go on from there."
            )
        # The first try after a cut comes at once, later ones after 1, 2, 4, 8 seconds.
        time.sleep(2.0 ** (failures - 2) if failures > 1 else 0)


class _Passing(Exception):
    """This try failed; another may not."""


class _Download:
    def __init__(
        self,
        client: httpx2.Client,
        url: str,
        part: Path,
        size: int,
        phase: str,
        progress: Progress,
        headers: dict[str, str],
    ) -> None:
        self._client = client
        self._url = url
        self._part = part
        self._size = size
        self._phase = phase
        self._progress = progress
        self._headers = {**headers, "accept-encoding": "identity"}
        self.received = 0

    def have(self) -> int:
        """Bytes in the partial file. One that is too long is of no use and goes."""
        size = self._part.stat().st_size if self._part.exists() else 0
        if size > self._size:
            self._part.unlink()
            return 0
        return size

    def attempt(self) -> None:
        """One request; appends what it brings. Raises _Passing, Refused, DownloadFailed."""
        start = self.have()
        headers = {**self._headers, "range": f"bytes={start}-"} if start else self._headers
        try:
            with self._client.stream("GET", self._url, headers=headers, follow_redirects=True) as response:
                if start and response.status_code == 416:
                    self._part.unlink()
                    raise _Passing("the server could not go on from there")
                if response.status_code in _RETRY_STATUSES:
                    raise _Passing(f"the server answered {response.status_code}")
                if response.status_code not in (200, 206):
                    raise Refused(f"the server answered {response.status_code}", response.status_code)
                start = start if _starts_at(response, start) else 0
                self._check_length(response, start)
                self._write(response, start)
        except httpx2.TransportError as error:
            if _is_about_certificates(error):
                raise Refused(f"the server's certificate is not trusted here: {error}") from error
            raise _Passing(str(error) or type(error).__name__) from error
        except httpx2.RequestError as error:
            raise Refused(str(error) or type(error).__name__) from error

    def _check_length(self, response: httpx2.Response, start: int) -> None:
        length = response.headers.get("content-length", "")
        if length.isdecimal() and start + int(length) != self._size:
            raise Refused(
                f"the server offers another file, of {start + int(length):,} bytes instead of {self._size:,}. "
                "Is there a login page or a proxy on the way"
            )

    def _write(self, response: httpx2.Response, start: int) -> None:
        done = start
        with self._part.open("ab" if start else "wb") as file:
            for chunk in response.iter_bytes():
                done += len(chunk)
                if done > self._size:
                    raise DownloadFailed(
                        f"{self._phase}: the server sends more than the {self._size:,} bytes expected, so it is "
                        "another file. Is there a login page or a proxy on the way?"
                    )
                file.write(chunk)
                self.received += len(chunk)
                self._progress(self._phase, done, self._size)


def _starts_at(response: httpx2.Response, start: int) -> bool:
    """Whether the answer goes on from `start`. Otherwise it holds the whole file. Raises _Passing for another part."""
    if response.status_code == 200:
        return start == 0
    match = re.match(r"bytes (\d+)-", response.headers.get("content-range", ""))
    if match is None or int(match.group(1)) != start:
        raise _Passing("the server sent another part of the file")
    return True


def _is_about_certificates(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False
