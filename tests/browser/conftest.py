"""A real Chromium, and the servers whose pages it visits."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from support.command import pull_default_model
from support.echo_service import EchoService
from support.live_server import LiveServer, live_server
from support.serving import serving
from support.visitor import Visitor

Visit = Callable[[str], Visitor]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """For one module, not the session: while it runs, this thread has an event loop, and other tests need their own."""
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        pytest.skip("needs Chromium: apt install chromium")
    # Tests often run as root in a container, where Chromium's sandbox does not start.
    arguments = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=path, args=arguments)
        yield running
        running.close()


@pytest.fixture
def visit(browser: Browser) -> Iterator[Visit]:
    """Makes a visitor of a server; afterwards, nothing that must not happen may have happened to any."""
    visitors: list[Visitor] = []

    def make(url: str) -> Visitor:
        visitors.append(Visitor(browser, url))
        return visitors[-1]

    yield make
    for visitor in visitors:
        visitor.close()
    assert [fault for visitor in visitors for fault in visitor.faults] == []


@pytest.fixture
def service() -> EchoService:
    """What answers behind `site`; a test may change its speed."""
    return EchoService()


@pytest.fixture
def site(tmp_path: Path, service: EchoService) -> Iterator[LiveServer]:
    """A server of one's own, which echoes at once."""
    with live_server(tmp_path / "data", service, echo_tokens_per_second=0) as running:
        yield running


@pytest.fixture
def visitor(site: LiveServer, visit: Visit) -> Visitor:
    """Named after the server, so that it leaves first: a server waits for its connections to end."""
    return visit(site.url)


@pytest.fixture(scope="session")
def real_data(smollm2_gguf: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with the default model."""
    return pull_default_model(tmp_path_factory.mktemp("browser") / "data", smollm2_gguf)


@pytest.fixture(scope="module")
def real_url(real_data: Path) -> Iterator[str]:
    """A server with the default model and the echo engine, which takes its time."""
    with serving(real_data, "echo", FIRESIDE_ECHO_TOKENS_PER_SECOND="60") as url:
        yield url
