"""`fireside serve` as users start it, in a process of its own."""

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.command import command_line, environment


@contextmanager
def serving(data_dir: Path, *arguments: str, **settings: str) -> Iterator[str]:
    """`fireside serve` as users start it; its URL."""
    with subprocess.Popen(
        command_line("serve", *arguments, "--port", "0"),
        env=environment(data_dir, settings),
        stdout=subprocess.PIPE,
        text=True,
        # Where these tests run as a background job, SIGINT is ignored, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as process:
        try:
            assert process.stdout is not None
            printed = ""
            for line in process.stdout:
                printed += line
                if "listens on " in line:
                    yield line.split()[-1]
                    break
            else:
                raise AssertionError(f"the server printed no URL, but: {printed}")
        finally:
            process.terminate()
            process.communicate(timeout=60)
