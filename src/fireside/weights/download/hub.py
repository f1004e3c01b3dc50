"""Files of a Hugging Face repository, by the hub's own client for names, tokens and mirrors (HF_TOKEN, HF_ENDPOINT)."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import httpx2
from huggingface_hub import HfApi, constants, hf_hub_url
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]  # documented, left out of the stub

from fireside.addresses import is_loopback
from fireside.catalog.spec import HubSource
from fireside.errors import DownloadFailed
from fireside.weights.download.checksum import git_blob_sha1_of, sha256_of
from fireside.weights.download.http import TIMEOUT, Refused, fetch
from fireside.weights.download.progress import Progress
from fireside.weights.locate import rename_durably

_COMMIT = re.compile("[0-9a-f]{40}")
_WEIGHTS = re.compile(r"model(-\d+-of-\d+)?\.safetensors|model\.safetensors\.index\.json")
"""Weights as transformers names them."""


@dataclass(frozen=True, slots=True)
class HubFile:
    """One file of the listing.

    Args:
        size: bytes.
        checksum: as in the catalog (`HubSource.checksums`): the catalog's own where it has one, else the hub's.
    """

    name: str
    size: int
    checksum: str


@dataclass(frozen=True, slots=True)
class Listing:
    """The wanted files of a repository at one commit."""

    commit: str
    files: tuple[HubFile, ...]


def list_files(source: HubSource, token: str | None) -> Listing:
    """Ask the hub for the files, their sizes and checksums. Raises DownloadFailed."""
    try:
        info = HfApi(endpoint=_endpoint(), token=_safe_token(token)).model_info(
            source.repo, revision=source.revision, files_metadata=True, timeout=30
        )
    except OfflineModeIsEnabled as error:
        raise DownloadFailed(
            f"{source.repo} is not on this machine and HF_HUB_OFFLINE is set. Unset it, or name a folder with --from."
        ) from error
    except GatedRepoError as error:
        raise _gated(source) from error
    except RevisionNotFoundError as error:
        raise DownloadFailed(f"{_page(source)} has no revision {source.revision}.") from error
    except RepositoryNotFoundError as error:
        raise _unknown_or_private(source) from error
    except HfHubHTTPError as error:
        status = error.response.status_code
        if status in (401, 403, 404):
            raise _unknown_or_private(source) from error
        raise DownloadFailed(f"The hub cannot list {_page(source)}: it answered {status}. Try again later.") from error
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
        raise DownloadFailed(
            f"The hub cannot be reached for {_page(source)}: {error}. Check the network, and HF_ENDPOINT if you use a "
            "mirror; or name a folder that has the files with --from."
        ) from error
    except (ValueError, TypeError, LookupError) as error:
        raise DownloadFailed(
            f"{_page(source)}: what answers there is not a hub. Check HF_ENDPOINT, and the network for a login page."
        ) from error
    commit = info.sha or source.revision
    if _COMMIT.fullmatch(source.revision) and commit != source.revision:
        raise DownloadFailed(
            f"{_page(source)} was asked for the commit {source.revision} and offers {commit[:40]}: what answers there "
            "is not the hub's content. Check HF_ENDPOINT."
        )
    listed = {item.rfilename: item for item in info.siblings or ()}
    weights = [] if source.files else sorted(name for name in listed if _WEIGHTS.fullmatch(name))
    wanted = source.files or (*source.small_files, *(weights or ["model.safetensors"]))
    missing = [name for name in wanted if name not in listed]
    if missing:
        raise DownloadFailed(f"{_page(source)} has no {', '.join(missing)} at revision {source.revision}.")
    files = []
    for name in (*wanted, *(name for name in source.extras if name in listed)):
        item = listed[name]
        if item.size is None or not (item.lfs or item.blob_id):
            raise DownloadFailed(f"The hub's listing of {_page(source)} gives no size and checksum for {name}.")
        of_hub = f"sha256:{item.lfs.sha256}" if item.lfs else f"git:{item.blob_id}"
        expected = source.checksums.get(name, of_hub)
        if expected.partition(":")[0] == of_hub.partition(":")[0] and expected != of_hub:
            raise DownloadFailed(
                f"{_page(source)} lists another {name} than the catalog: its checksum differs. Check HF_ENDPOINT, "
                "or fetch the model from elsewhere and name its folder with --from."
            )
        files.append(HubFile(name, item.size, expected))
    return Listing(commit, tuple(files))


def fetch_files(source: HubSource, listing: Listing, folder: Path, progress: Progress, token: str | None) -> None:
    """Bring every file of the listing into `folder`, checked; sound ones that are there stay. Raises DownloadFailed."""
    headers = build_hf_headers(token=_safe_token(token), library_name="fireside")
    with httpx2.Client(timeout=TIMEOUT) as client:
        for file in listing.files:
            path = folder / file.name
            if path.exists() and _is_sound(path, file, progress):
                continue
            url = hf_hub_url(source.repo, file.name, revision=listing.commit, endpoint=_endpoint())
            try:
                _fetch_file(client, url, file, path, progress, headers)
            except Refused as error:
                if error.status in (401, 403):
                    raise _gated(source) from error
                raise DownloadFailed(
                    f"{file.name} of {_page(source)} cannot be downloaded: {error}. Check the network and run the same "
                    "command again; what is here already stays."
                ) from error


def _fetch_file(
    client: httpx2.Client, url: str, file: HubFile, path: Path, progress: Progress, headers: Mapping[str, str]
) -> None:
    part = path.with_name(path.name + ".part")
    resumed = part.exists()
    part.touch()
    fetch(client, url, part, size=file.size, name=file.name, progress=progress, headers=headers)
    if not _is_sound(part, file, progress):
        part.unlink()
        if not resumed:
            raise DownloadFailed(
                f"{file.name} arrived damaged: its checksum is not the expected one. Try again; if it stays so, "
                "something on the way changes it."
            )
        # What an earlier run left may be damaged; what this one brings again is not.
        _fetch_file(client, url, file, path, progress, headers)
        return
    rename_durably(part, path)


def _is_sound(path: Path, file: HubFile, progress: Progress) -> bool:
    if path.stat().st_size != file.size:
        return False
    kind, _, expected = file.checksum.partition(":")
    return (sha256_of if kind == "sha256" else git_blob_sha1_of)(path, progress) == expected


def _safe_token(token: str | None) -> str | Literal[False] | None:
    """The token, or False (none at all, a stored one neither) where it would travel in clear over a network."""
    endpoint = urlsplit(_endpoint())
    return token if endpoint.scheme == "https" or is_loopback(endpoint.hostname or "") else False


def _endpoint() -> str:
    return os.environ.get("HF_ENDPOINT") or constants.ENDPOINT


def _page(source: HubSource) -> str:
    return f"{_endpoint()}/{source.repo}"


def _unknown_or_private(source: HubSource) -> DownloadFailed:
    return DownloadFailed(
        f"There is no {_page(source)}, or it is private and your token (if any) may not read it. Check its name; if it "
        f"is right, make a token at {_endpoint()}/settings/tokens and set HF_TOKEN to it."
    )


def _gated(source: HubSource) -> DownloadFailed:
    return DownloadFailed(
        f"{source.repo} is gated: accept its licence at {_page(source)}, make a token that may read it "
        f"({_endpoint()}/settings/tokens) and set HF_TOKEN to it. Or name a folder that has the files with --from."
    )
