"""Fixtures: live servers for the tests of the API and the pages."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.live_server import LiveServer, live_server, wait_until


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """For tests that neither change the server nor count what it did."""
    with live_server(tmp_path_factory.mktemp("data")) as running:
        yield running


@pytest.fixture
def server(shared_server: LiveServer) -> Iterator[LiveServer]:
    """The same with its service's counts at zero; afterwards, nothing may run any more."""
    wait_until(lambda: shared_server.service.running == 0)
    shared_server.service.reset()
    yield shared_server
    wait_until(lambda: shared_server.service.running == 0)


@pytest.fixture
def fresh_server(tmp_path: Path) -> Iterator[LiveServer]:
    """One of its own, with an empty store."""
    with live_server(tmp_path) as running:
        yield running
