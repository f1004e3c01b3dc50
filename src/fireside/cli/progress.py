"""Progress on standard error: a bar on a terminal, now and then a plain line elsewhere."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    ProgressColumn,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.progress import Progress as Bars

from fireside.cli.format import size_text
from fireside.weights.download.progress import Progress

LINE_SECONDS = 10.0
"""Where there is no terminal, a phase's next line comes this much later."""


@contextmanager
def shown_progress(*, in_bytes: bool = True) -> Iterator[Progress]:
    """A function to tell progress to: a phase in words, done, total (0 where it is not known).

    Args:
        in_bytes: what is counted are bytes; otherwise only its share is shown, and only the phase that runs.
    """
    console = Console(stderr=True)
    if not console.is_terminal:
        yield PlainLines(in_bytes, lambda line: console.file.write(line + "\n"))
        return
    counts: list[ProgressColumn] = [TaskProgressColumn(), TimeElapsedColumn()]
    if in_bytes:
        counts = [DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn()]
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), *counts)
    with Bars(*columns, console=console, transient=not in_bytes) as bars:
        yield _Bar(bars, keep=in_bytes)


class _Bar:
    """One bar a phase.

    Args:
        keep: earlier phases stay in sight, and one of unknown length is a line; else its bar goes to and fro.
    """

    def __init__(self, bars: Bars, keep: bool) -> None:
        self._bars = bars
        self._keep = keep
        self._phase = ""
        self._task: TaskID | None = None

    def __call__(self, phase: str, done: int, total: int) -> None:
        if phase != self._phase:
            self._phase = phase
            self._begin(phase, done, total)
        if self._task is not None:
            self._bars.update(self._task, completed=done)

    def _begin(self, phase: str, done: int, total: int) -> None:
        if self._task is not None and not self._keep:
            self._bars.remove_task(self._task)
        self._task = None
        if total or not self._keep:
            # What is there already does not count for the rate.
            self._task = self._bars.add_task(phase, total=total or None, completed=done)
        else:
            self._bars.console.print(phase, markup=False, highlight=False)


class PlainLines:
    """A line when a phase begins, then one every LINE_SECONDS, and one when it is done if that took longer than that.

    Args:
        in_bytes: whether bytes are counted.
        write: takes a line without its end.
        clock: seconds.
    """

    def __init__(
        self, in_bytes: bool, write: Callable[[str], object], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._in_bytes = in_bytes
        self._write = write
        self._clock = clock
        self._phase = ""
        self._began = self._shown = 0.0
        self._first = 0

    def __call__(self, phase: str, done: int, total: int) -> None:
        now = self._clock()
        if phase != self._phase:
            self._phase, self._began, self._shown, self._first = phase, now, now, done
            self._write(f"{phase} ({size_text(total)})" if total and self._in_bytes else phase)
            return
        long = now - self._began >= LINE_SECONDS
        if total and (now - self._shown >= LINE_SECONDS or (long and done >= total > self._first)):
            self._shown = now
            self._write(f"{phase}: {self._state(done, total, now - self._began)}")
            if done >= total:
                self._first = total

    def _state(self, done: int, total: int, seconds: float) -> str:
        share = f"{done / total:.0%}"
        if not self._in_bytes:
            return share
        rate = (done - self._first) / seconds
        left = f", {(total - done) / rate:.0f} s left" if rate > 0 and done < total else ""
        return f"{size_text(done)} of {size_text(total)}, {share}, {size_text(rate)}/s{left}"
