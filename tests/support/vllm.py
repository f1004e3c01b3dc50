"""vLLM's own environment, for the tests that run it."""

import os
from pathlib import Path

import pytest

from fireside.engine.vllm.environment import default_python
from fireside.settings import default_data_dir


def vllm_python() -> Path:
    """The interpreter that has vLLM; a test that asks for it is skipped where there is none.

    It is FIRESIDE_VLLM_PYTHON, else what `fireside engine install vllm --cpu` has made. In CI it must be there.
    """
    given = os.environ.get("FIRESIDE_VLLM_PYTHON")
    python = Path(given) if given else default_python(default_data_dir())
    if not python.is_file():
        reason = "needs vLLM: fireside engine install vllm --cpu"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return python
