"""Turns, rounds and those who drop out; memory of real child processes."""

import io
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from bench.memory import PeakMemory, descendants, read_memory
from bench.peers.command import lines, run
from bench.report import rounds_table
from bench.rounds import engine_rows, run_rounds
from bench.workload import Turn, Unavailable, Workload
from rich.console import Console

WORKLOAD = Workload(threads=1, batches=(1, 4))
needs_proc = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")


@dataclass
class Steady:
    """A contender whose speed is settled beforehand: one prefill speed for each round; None fails there."""

    name: str
    speeds: list[float | None]
    log: list[str] = field(default_factory=list)
    absent: bool = False

    def prepare(self) -> None:
        if self.absent:
            raise Unavailable("no compiler")

    def take_turn(self, workload: Workload, first: bool) -> Turn:
        speed = self.speeds.pop(0)
        if speed is None:
            raise Unavailable("it crashed")
        self.log.append(self.name)
        return Turn(load=1.0, cold_load=9.0 if first else None, prefill=speed, decode={1: speed / 2, 4: speed})


def test_turns_alternate_and_ratios_stay_in_their_round() -> None:
    log: list[str] = []
    fast, slow = Steady("fast", [30.0, 3.0, 33.0], log), Steady("slow", [10.0, 1.5, 11.0], log)
    results = run_rounds([fast, slow], WORKLOAD, 3)
    assert log == ["fast", "slow"] * 3
    assert results.ratio("fast", "slow", lambda turn: turn.prefill) == pytest.approx(3.0)
    assert results.median("slow", lambda turn: turn.prefill) == 10.0
    assert results.median("fast", lambda turn: turn.cold_load) == 9.0


def test_who_cannot_be_had_is_said_and_the_others_go_on() -> None:
    contenders = [Steady("ours", [8.0, 8.0]), Steady("gone", [], absent=True), Steady("frail", [4.0, None])]
    results = run_rounds(contenders, WORKLOAD, 2)
    assert results.absent == {"gone": "no compiler", "frail": "it crashed"}
    assert len(results.turns["ours"]) == 2
    console = Console(width=200, record=True, file=io.StringIO())
    rows = engine_rows(WORKLOAD.batches, WORKLOAD.prefill_tokens)
    console.print(rounds_table("title", results, ["ours", "gone", "frail"], rows))
    text = console.export_text()
    row = next(line for line in text.splitlines() if "prefill 512" in line)
    assert [cell.strip() for cell in row.split("│")[1:-1]] == ["prefill 512 (tokens/s)", "8", "-", "4  2.00×"]
    assert "gone: not measured: no compiler" in text


@needs_proc
def test_peak_memory_counts_children_and_their_children() -> None:
    child = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1]])"
    grandchild = "import time; held = bytearray(b'x' * 64_000_000); time.sleep(0.5)"
    with PeakMemory() as memory:
        subprocess.run([sys.executable, "-c", child, grandchild], check=True)
    assert memory.peak is not None
    assert memory.peak.resident > memory.peak.anonymous > 64_000_000


@needs_proc
def test_a_process_that_is_gone_has_no_memory() -> None:
    process = subprocess.Popen([sys.executable, "-c", "pass"])
    process.wait()
    assert read_memory(process.pid) is None
    assert descendants(process.pid) == []


def test_lines_come_with_the_time_they_came(tmp_path: Path) -> None:
    code = "import time; print('a', flush=True); time.sleep(0.2); print('b')"
    (first, a), (second, b) = lines([sys.executable, "-c", code], tmp_path / "log", 30)
    assert (a, b) == ("a", "b")
    assert second - first > 0.1


def test_a_command_that_fails_tells_its_last_words(tmp_path: Path) -> None:
    code = "import sys; print('out of luck', file=sys.stderr); sys.exit(3)"
    with pytest.raises(Unavailable, match=r"ended with 3: out of luck"):
        list(lines([sys.executable, "-c", code], tmp_path / "log", 30))
    with pytest.raises(Unavailable, match=r"ended with 3: out of luck"):
        run([sys.executable, "-c", code], tmp_path / "other", 30)


def test_a_command_that_hangs_is_ended(tmp_path: Path) -> None:
    began = time.monotonic()
    with pytest.raises(Unavailable):
        list(lines([sys.executable, "-c", "import time; time.sleep(60)"], tmp_path / "log", 0.3))
    assert time.monotonic() - began < 30


def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="nowhere"):
        list(lines([tmp_path / "nowhere"], tmp_path / "log", 30))
    with pytest.raises(Unavailable, match="nowhere"):
        run([tmp_path / "nowhere"], tmp_path / "log", 30)
