"""A real server, and the real clients from npm, installed once into a cache folder."""

import hashlib
import os
import subprocess
import sys
import venv
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fireside.settings import default_data_dir
from support.adapters import make_adapter
from support.compatibility import Row
from support.live_server import LiveServer, live_server

HERE = Path(__file__).parent

_rows = pytest.StashKey[dict[str, list[Row]]]()


@pytest.fixture
def proven(request: pytest.FixtureRequest) -> Callable[[str, str, str, str], None]:
    """Adds a row to the compatibility page: `proven(client, version, what was run, result)`, after the assertions."""
    rows = request.config.stash.setdefault(_rows, {}).setdefault(request.node.nodeid, [])
    return lambda *cells: rows.append(Row(*cells))


@pytest.fixture
def proven_rows(request: pytest.FixtureRequest) -> list[Row]:
    """All rows of this run, for the test that runs last."""
    return [row for rows in request.config.stash.get(_rows, {}).values() for row in rows]


@pytest.fixture
def all_proven(request: pytest.FixtureRequest) -> bool:
    """Whether every client test of this folder ran, and added its rows."""
    session, option = request.session, request.config.option
    makers = {item.nodeid for item in session.items if "proven" in getattr(item, "fixturenames", ())}
    recorded = {test for test, rows in request.config.stash.get(_rows, {}).items() if rows}
    files = {item.path for item in session.items} >= set(HERE.glob("test_*.py"))
    whole = not (option.keyword or option.markexpr or any("::" in argument for argument in request.config.args))
    return whole and files and makers == recorded and not session.testsfailed


@pytest.hookimpl(trylast=True)  # after the tests were put into random order
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The page is compared with the rows when all of them are there."""
    items.sort(key=lambda item: "proven_rows" in getattr(item, "fixturenames", ()))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LiveServer]:
    with live_server(tmp_path / "data") as running:
        yield running


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    return make_adapter(tmp_path / "adapter")


@pytest.fixture(scope="session")
def python_clients() -> Path:
    """A virtual environment with what requirements.txt pins; these clients would not fit in with other libraries."""
    pins = HERE / "requirements.txt"
    name = hashlib.sha256(pins.read_bytes() + sys.version.encode()).hexdigest()[:16]
    folder = default_data_dir() / "test-clients" / f"python-{name}"
    if not (folder / "done").exists():
        venv.create(folder, clear=True, with_pip=True)
        python = str(folder / "bin" / "python")
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--require-hashes", "-r", str(pins)], check=True)
        (folder / "done").touch()
    return folder


@pytest.fixture
def client_environment(server: LiveServer, tmp_path: Path) -> dict[str, str]:
    """This process's environment, with the variables that point a Cloudflare client at the server."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CLOUDFLARE_", "CF_"))}
    return kept | {
        "CLOUDFLARE_API_BASE_URL": f"{server.url}/client/v4",
        "CLOUDFLARE_BASE_URL": f"{server.url}/client/v4",
        "CLOUDFLARE_API_TOKEN": "any",
        "CLOUDFLARE_ACCOUNT_ID": "acc",
        "WRANGLER_SEND_METRICS": "false",
        "CLOUDFLARE_CF_FETCH_ENABLED": "false",
        "WRANGLER_REGISTRY_PATH": str(tmp_path / "registry"),
        "WRANGLER_LOG_PATH": str(tmp_path / "logs"),
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
        "NO_PROXY": "127.0.0.1",
        "CI": "1",
    }
