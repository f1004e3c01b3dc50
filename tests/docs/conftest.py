"""A server started as users start it, for the examples of every page."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.command import command_line, environment, pull_default_model


@pytest.fixture(scope="session")
def server_data(smollm2_gguf: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with the default model."""
    return pull_default_model(tmp_path_factory.mktemp("docs") / "data", smollm2_gguf)


@pytest.fixture(scope="session")
def server_url(server_data: Path) -> Iterator[str]:
    """A server on that folder, started as users start it, with functions on."""
    settings = environment(server_data, {"FIRESIDE_FUNCTIONS": "true"})
    with subprocess.Popen(
        command_line("serve", "--port", "0"), env=settings, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        printed = ""
        for line in process.stdout:
            printed += line
            if match := re.search(r"curl '?(http://127\.0\.0\.1:\d+)/client/v4", line):
                yield match[1]
                break
        else:
            pytest.fail(f"the server printed no curl line, but: {printed}")
        process.terminate()
        process.stdout.read()
        assert process.wait(timeout=60) == 0
