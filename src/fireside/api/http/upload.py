"""A multipart/form-data body with one file, streamed to disk: bounded in size and time, no name used as a path."""

import asyncio
from pathlib import Path
from typing import BinaryIO

from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header
from starlette.datastructures import Headers
from starlette.types import Receive

from fireside.api.http.disconnect import ClientGone
from fireside.errors import BadBody, BodyTooLarge, FeatureUnavailable, InvalidInput, RequestTimeout, StoreUnavailable

_MAX_PARTS = 16
_MAX_FIELD_BYTES = 1000
_FORM_BYTES = 64 * 1024
"""Room for boundaries, headers and fields beside the file."""
_WRITE_BYTES = 1 << 20


async def receive_file(
    headers: Headers,
    receive: Receive,
    path: Path,
    *,
    max_bytes: int,
    idle_timeout: float,
    timeout: float,  # noqa: ASYNC109
) -> dict[str, str]:
    """Write the part named `file` to `path`, a new file; return the other parts, which are short texts.

    Args:
        max_bytes: most bytes of the file.
        idle_timeout: most seconds between two pieces of the body.
        timeout: most seconds for all of it.

    Raises:
        BodyTooLarge: before anything is read, if the declared length says so already.
        BadBody: not multipart/form-data, no boundary, or broken.
        InvalidInput: no file, more than one, or a field that is too long.
        RequestTimeout, FeatureUnavailable (a compressed body), ClientGone.
        StoreUnavailable: the file cannot be written, as the disk is full, say.
    """
    if headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        raise FeatureUnavailable("Compressed uploads are not supported: send the form uncompressed.")
    boundary = _boundary(headers.get("content-type", ""))
    declared = headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > max_bytes + _FORM_BYTES:
        raise _too_large(max_bytes)
    try:
        with path.open("xb") as file:
            form = _MultipartForm(boundary, file, max_bytes)
            try:
                async with asyncio.timeout(timeout):
                    await _read_all(form, receive, idle_timeout)
            except TimeoutError:
                raise RequestTimeout(f"The upload did not finish within {timeout:g} seconds.") from None
            await form.write_rest()
    except OSError as error:
        raise StoreUnavailable(f"The server cannot write the file: {error.strerror}.") from error
    return form.result()


async def _read_all(form: "_MultipartForm", receive: Receive, idle_timeout: float) -> None:
    more = True
    while more:
        try:
            async with asyncio.timeout(idle_timeout):
                message = await receive()
        except TimeoutError:
            raise RequestTimeout(f"No data of the upload arrived for {idle_timeout:g} seconds.") from None
        if message["type"] == "http.disconnect":
            raise ClientGone
        more = message.get("more_body", False)
        await form.feed(message.get("body", b""))


def _boundary(content_type: str) -> bytes:
    kind, options = parse_options_header(content_type)
    if kind != b"multipart/form-data":
        raise BadBody(
            "Send the file as multipart/form-data with the parts file_name and file: curl "
            "-F file_name=adapter_config.json -F file=@adapter_config.json"
        )
    if not options.get(b"boundary"):
        raise BadBody(
            "The content type multipart/form-data has no boundary. Do not set this header yourself: curl -F, "
            "fetch with FormData, and the SDKs set it, boundary included."
        )
    return options[b"boundary"]


class _MultipartForm:
    """Takes the body piece by piece. What belongs to the file goes to disk, in a thread and in large pieces."""

    def __init__(self, boundary: bytes, file: BinaryIO, max_bytes: int) -> None:
        self._file = file
        self._max_bytes = max_bytes
        self._unwritten = bytearray()
        self._file_bytes = self._body_bytes = self._parts = self._files = 0
        self._fields: dict[str, bytearray] = {}
        self._header = bytearray()
        self._value = bytearray()
        self._name = ""
        self._ended = False
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._on_part_begin,
                    "on_header_field": self._on_header_field,
                    "on_header_value": self._on_header_value,
                    "on_header_end": self._on_header_end,
                    "on_headers_finished": self._on_headers_finished,
                    "on_part_data": self._on_part_data,
                    "on_end": self._on_end,
                },
            )
        except FormParserError as error:
            raise _broken(error) from error

    async def feed(self, piece: bytes) -> None:
        """Parse one piece. Raises BodyTooLarge, BadBody, InvalidInput."""
        self._body_bytes += len(piece)
        if self._body_bytes > self._max_bytes + _FORM_BYTES:
            raise _too_large(self._max_bytes)
        try:
            self._parser.write(piece)
        except FormParserError as error:
            raise _broken(error) from error
        if len(self._unwritten) >= _WRITE_BYTES:
            await self.write_rest()

    async def write_rest(self) -> None:
        """Bring what is still in memory to disk."""
        piece = bytes(self._unwritten)
        self._unwritten.clear()
        await asyncio.to_thread(self._write, piece)

    def _write(self, piece: bytes) -> None:
        self._file.write(piece)
        self._file.flush()

    def result(self) -> dict[str, str]:
        """The fields, when the form is complete. Raises BadBody, InvalidInput."""
        if not self._ended:
            raise BadBody("The form is truncated: its closing boundary is missing.")
        if self._files != 1:
            raise InvalidInput(["file: the form needs exactly one part of this name"])
        return {name: bytes(value).decode("utf-8", "replace") for name, value in self._fields.items()}

    def _on_part_begin(self) -> None:
        self._parts += 1
        self._name = ""
        if self._parts > _MAX_PARTS:
            raise BadBody(f"The form has more than {_MAX_PARTS} parts.")

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _on_header_end(self) -> None:
        if self._header.lower() == b"content-disposition":
            _, options = parse_options_header(self._value.decode("latin-1"))
            self._name = options.get(b"name", b"").decode("latin-1")
        self._header.clear()
        self._value.clear()

    def _on_headers_finished(self) -> None:
        if self._name == "file":
            self._files += 1
        elif self._name in self._fields:
            raise InvalidInput([f"{self._name[:40]}: occurs more than once"])
        else:
            self._fields[self._name] = bytearray()

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._name == "file":
            self._file_bytes += end - start
            if self._file_bytes > self._max_bytes:
                raise _too_large(self._max_bytes)
            self._unwritten += data[start:end]
            return
        field = self._fields[self._name]
        field += data[start:end]
        if len(field) > _MAX_FIELD_BYTES:
            raise InvalidInput(
                [f"{self._name[:40]}: longer than {_MAX_FIELD_BYTES} bytes; only the part `file` may be"]
            )

    def _on_end(self) -> None:
        self._ended = True


def _broken(error: FormParserError) -> BadBody:
    return BadBody(f"The body is not valid multipart/form-data: {error}.")


def _too_large(max_bytes: int) -> BodyTooLarge:
    return BodyTooLarge(
        f"The file is larger than this server's limit of {max_bytes:,} bytes (its operator can raise "
        "FIRESIDE_FINETUNE_MAX_MB)."
    )
