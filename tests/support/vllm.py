"""vLLM's own environment, for the tests that run it."""

import os
from pathlib import Path

import pytest

from fireside.engine.vllm.environment import python_of
from fireside.settings import load_settings


def vllm_python() -> Path:
    """The interpreter that has vLLM; a test that asks for it is skipped where there is none.

    It is FIRESIDE_VLLM_PYTHON, else what `fireside engine install vllm --cpu` has made. In CI it must be there.
    """
    python = Path(python_of(load_settings()))
    if not python.is_file():
        reason = "needs vLLM: fireside engine install vllm --cpu"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return python
