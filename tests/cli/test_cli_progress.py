import io
import time

import pytest
from rich.console import Console

from fireside.cli import progress
from fireside.cli.format import size_text
from fireside.cli.progress import PlainLines, shown_progress


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_plain_lines_are_few_and_say_everything() -> None:
    lines: list[str] = []
    clock = Clock()
    tell = PlainLines(True, lines.append, clock)
    tell("Asking the hub", 0, 0)
    for megabyte in range(10, 101):
        tell("Downloading x", megabyte * 1_000_000, 100_000_000)
        clock.now += 0.25
    assert lines == [
        "Asking the hub",
        "Downloading x (100.0 MB)",
        "Downloading x: 50.0 MB of 100.0 MB, 50%, 4.0 MB/s, 12 s left",
        "Downloading x: 90.0 MB of 100.0 MB, 90%, 4.0 MB/s, 2 s left",
        "Downloading x: 100.0 MB of 100.0 MB, 100%, 4.0 MB/s",
    ]


def test_a_quick_phase_is_one_line() -> None:
    lines: list[str] = []
    tell = PlainLines(True, lines.append, Clock())
    for done in range(0, 1001, 100):
        tell("Checking x", done, 1000)
    assert lines == ["Checking x (1.0 kB)"]


def test_steps_are_shown_as_a_share() -> None:
    lines: list[str] = []
    clock = Clock()
    tell = PlainLines(False, lines.append, clock)
    tell("Repacking", 0, 10)
    clock.now += 11
    tell("Repacking", 4, 10)
    assert lines == ["Repacking", "Repacking: 40%"]


def test_a_terminal_gets_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    real = Console
    monkeypatch.setattr(
        progress, "Console", lambda stderr: real(file=screen, force_terminal=True, width=120, color_system=None)
    )
    with shown_progress() as tell:
        tell("Asking [the] hub", 0, 0)
        tell("Downloading x", 40_000_000, 92_900_000)
        tell("Downloading x", 92_900_000, 92_900_000)
    shown = screen.getvalue()
    assert "Asking [the] hub\n" in shown
    assert "92.9/92.9 MB" in shown
    assert "━" in shown


def test_a_phase_of_unknown_length_moves_and_has_no_share(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    real = Console
    monkeypatch.setattr(
        progress, "Console", lambda stderr: real(file=screen, force_terminal=True, width=120, color_system=None)
    )
    with shown_progress(in_bytes=False) as tell:
        tell("Loading: starting", 0, 0)
        drawn = len(screen.getvalue())
        while len(screen.getvalue()) < drawn + 500:  # nobody tells anything, and it is drawn again and again
            time.sleep(0.01)
        unknown = screen.getvalue()
        tell("Loading: preparing", 0, 1000)
        tell("Loading: preparing", 400, 1000)
    assert "%" not in unknown
    assert "40%" in screen.getvalue()[len(unknown) :]


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 bytes"), (999, "999 bytes"), (1000, "1.0 kB"), (98_362_432, "98.4 MB"), (14.5e9, "14.5 GB")],
)
def test_size_text(size: float, text: str) -> None:
    assert size_text(size) == text
