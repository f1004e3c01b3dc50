"""A live server for the API's tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.live_server import LiveServer, live_server


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LiveServer]:
    with live_server(tmp_path) as running:
        yield running


@pytest.fixture(scope="module")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """For tests that neither change the service nor count what it did."""
    with live_server(tmp_path_factory.mktemp("data")) as running:
        yield running
