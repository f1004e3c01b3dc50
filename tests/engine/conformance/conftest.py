"""Each engine once for all tests that do it no harm."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.engine_subjects import SUBJECTS, Running, Subject, running


@pytest.fixture(scope="module", params=SUBJECTS)
def subject(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Subject:
    if request.param == "vllm" and request.config.getoption("--fast"):
        pytest.skip("takes longer than all else")
    folder: Path = tmp_path_factory.mktemp(request.param)
    return SUBJECTS[request.param](folder)


@pytest.fixture(scope="module")
async def engine(subject: Subject) -> AsyncIterator[Running]:
    async with running(subject) as started:
        yield started
