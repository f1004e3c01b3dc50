"""ONNX Runtime reports to Microsoft what it runs, and queues it in the home folder; not when Fireside loads it."""

import os
import subprocess
import sys
from pathlib import Path

from support.checkpoints import make_tiny_checkpoint

LOAD = """
import sys
from pathlib import Path
from fireside.engine.onnx.options import OnnxOptions
from fireside.engine.onnx.load import load_model
from fireside.engine.onnx.model_runner import DecodeInput

options = OnnxOptions(model_path=sys.argv[1], threads=1)
load_model(options, lambda *step: None).model.decode([DecodeInput(0, 1, 1)])
"""


def test_nothing_is_collected(tmp_path: Path) -> None:
    make_tiny_checkpoint(tmp_path / "model")
    home = tmp_path / "home"
    home.mkdir()
    # Not the variables that switch it off by themselves: our own, and those by which it knows a CI.
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "LD_LIBRARY_PATH", "SYSTEMROOT")}
    places = dict.fromkeys(("HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "TMPDIR", "LOCALAPPDATA"), str(home))
    command = [sys.executable, "-P", "-c", LOAD, str(tmp_path / "model")]
    subprocess.run(command, env=kept | places, cwd=home, check=True, timeout=120)
    assert [path.name for path in home.rglob("*")] == []
