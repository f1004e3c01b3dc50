"""Where the uploaded files are kept: a folder, or an S3-compatible bucket. Blobs never change; ids are made here."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit
from uuid import uuid4

from fireside.errors import ConfigError, StoreUnavailable, missing_extra
from fireside.weights.locate import rename_durably

if TYPE_CHECKING:
    from obstore.store import ObjectStore

_CHUNK = 8 << 20


class BlobStore(Protocol):
    """Every method raises StoreUnavailable when the place cannot be reached, is full, or lacks the blob."""

    def put(self, blob_id: str, path: Path) -> None:
        """Store the file's content; until all of it is there, nothing is. The file itself may be moved away."""
        ...

    def fetch(self, blob_id: str, path: Path) -> None:
        """Bring a blob to a path where nothing is yet."""
        ...

    def delete(self, blob_id: str) -> None:
        """Remove a blob; one that is not there is no error."""
        ...


def open_blobs(url: str, folder: Path) -> BlobStore:
    """The store of a URL, or the folder when it is empty. Raises ConfigError."""
    if not url:
        return FolderBlobs(folder)
    if urlsplit(url).scheme != "s3":
        raise ConfigError(f"blob_url (FIRESIDE_BLOB_URL): {_shown(url)} is not a URL such as s3://bucket/prefix.")
    try:
        from obstore.store import from_url
    except ImportError as error:
        raise missing_extra("A bucket (FIRESIDE_BLOB_URL)", "s3") from error
    # A bucket on one's own machines is often reached without TLS; to write http:// in its URL is to ask for it.
    plain = os.environ.get("AWS_ENDPOINT_URL", "").startswith("http://")
    try:
        return BucketBlobs(from_url(url, client_options={"allow_http": plain}))
    except Exception as error:
        raise ConfigError(f"blob_url (FIRESIDE_BLOB_URL): {_shown(url)} cannot be used: {error}") from error


class FolderBlobs:
    """One file a blob. Fetched files are links to it, so that they cost no room."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, blob_id: str, path: Path) -> None:
        """See `BlobStore`."""
        with _disk_errors():
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            part = self._folder / f".{uuid4().hex}.part"
            try:
                _link_or_copy(path, part)
                rename_durably(part, self._folder / blob_id)
            finally:
                part.unlink(missing_ok=True)

    def fetch(self, blob_id: str, path: Path) -> None:
        """See `BlobStore`."""
        with _disk_errors():
            _link_or_copy(self._folder / blob_id, path)

    def delete(self, blob_id: str) -> None:
        """See `BlobStore`."""
        with _disk_errors():
            (self._folder / blob_id).unlink(missing_ok=True)


class BucketBlobs:
    """One object a blob."""

    def __init__(self, store: "ObjectStore") -> None:
        self._store = store

    def put(self, blob_id: str, path: Path) -> None:
        """See `BlobStore`. An object appears when its last part is there."""
        with _bucket_errors():
            self._store.put(blob_id, path)

    def fetch(self, blob_id: str, path: Path) -> None:
        """See `BlobStore`."""
        with _bucket_errors():
            stream = self._store.get(blob_id).stream(min_chunk_size=_CHUNK)
            with _disk_errors(), path.open("wb") as file:
                for chunk in stream:
                    file.write(chunk)
                file.flush()
                os.fsync(file.fileno())

    def delete(self, blob_id: str) -> None:
        """See `BlobStore`."""
        with _bucket_errors():
            try:
                self._store.delete(blob_id)
            except FileNotFoundError:
                return


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except FileNotFoundError:
        raise
    except OSError:  # another disk, or a file system without links
        shutil.copyfile(source, target)


@contextmanager
def _disk_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreUnavailable(f"The file cannot be kept or read on the server's disk: {error.strerror}.") from error


@contextmanager
def _bucket_errors() -> Iterator[None]:
    from obstore.exceptions import BaseError

    try:
        yield
    except (BaseError, OSError) as error:
        raise StoreUnavailable("The bucket with the fine-tunes' files does not answer as it should.") from error


def _shown(url: str) -> str:
    """The URL without what may be a password."""
    return url.rpartition("@")[2][:200]
