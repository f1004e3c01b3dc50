import os
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from filelock import FileLock
from typer.testing import Result

from fireside.catalog.loader import Catalog
from fireside.catalog.spec import ModelSpec
from fireside.engine.onnx.pack import pack
from fireside.serving.removal import files_of, packed_file
from fireside.settings import Settings
from fireside.weights.locate import is_downloaded, lock_path, model_dir
from fireside.weights.open import open_checkpoint
from support.checkpoints import make_tiny_checkpoint
from support.command import run_command
from support.model_sources import hub_source, model_spec, write_catalog_file
from support.serving import serving
from support.user_models import add_model

Fireside = Callable[..., Result]
TINY = model_spec(hub_source("config.json", "model.safetensors"))


@pytest.fixture
def settings(data_dir: Path) -> Settings:
    return Settings(data_dir=data_dir)


@pytest.fixture
def given(tmp_path: Path) -> Path:
    folder = tmp_path / "given"
    folder.mkdir()
    make_tiny_checkpoint(folder)
    return folder


def repack(spec: ModelSpec, settings: Settings) -> Path:
    """What the first load does."""
    checkpoint = open_checkpoint(model_dir(settings.data_dir, spec))
    pack(checkpoint, "auto", settings.cache_dir, lambda *_: None).file.finish()
    packed = packed_file(spec, settings)
    assert packed is not None
    return packed


def test_the_download_and_the_repacked_weights_go(fireside: Fireside, settings: Settings, given: Path) -> None:
    write_catalog_file(settings.data_dir / "catalog", TINY)
    fireside("pull", "tiny", "--from", str(given))
    packed = repack(TINY, settings)
    (settings.cache_dir / "another.safetensors").write_bytes(b"of another model")
    assert packed in files_of(TINY, settings)
    size = packed.stat().st_size
    result = fireside("rm", "tiny", "--yes")
    # What was linked from the user's own folder is still there, and frees nothing.
    assert result.stdout == f"Deleted @hf/someone/tiny: {size / 1e6:.1f} MB are free again.\n"
    assert not is_downloaded(settings.data_dir, TINY)
    assert not model_dir(settings.data_dir, TINY).exists()
    assert [path.name for path in settings.cache_dir.iterdir()] == ["another.safetensors"]
    assert (given / "model.safetensors").exists()
    assert fireside("rm", "tiny", "--yes").stdout == "Nothing of @hf/someone/tiny is here to delete.\n"


def test_what_only_part_of_has_come(fireside: Fireside, settings: Settings) -> None:
    write_catalog_file(settings.data_dir / "catalog", TINY)
    folder = model_dir(settings.data_dir, TINY)
    folder.mkdir(parents=True)
    (folder / "model.safetensors.part").write_bytes(bytes(2_000_000))
    assert fireside("rm", "tiny", "-y").stdout == "Deleted @hf/someone/tiny: 2.0 MB are free again.\n"
    assert not folder.exists()


def test_files_of_the_users_own_stay(fireside: Fireside, settings: Settings, given: Path) -> None:
    add_model(settings.data_dir, "mine", folder=given)
    spec = Catalog.from_settings(settings).get("@hf/me/mine")
    packed = repack(spec, settings)
    assert fireside("rm", "mine", "--yes").exit_code == 0
    assert not packed.exists()
    assert (given / "model.safetensors").exists()
    assert list(given.parent.glob("*.lock")) == []


def test_it_is_asked_for(fireside: Fireside, settings: Settings, given: Path) -> None:
    write_catalog_file(settings.data_dir / "catalog", TINY)
    fireside("pull", "tiny", "--from", str(given))
    result = fireside("rm", "tiny")
    assert result.exit_code == 1
    assert "Confirm with --yes" in result.stderr
    assert is_downloaded(settings.data_dir, TINY)


def test_not_while_it_is_downloaded(fireside: Fireside, settings: Settings, given: Path) -> None:
    write_catalog_file(settings.data_dir / "catalog", TINY)
    fireside("pull", "tiny", "--from", str(given))
    with FileLock(lock_path(settings.data_dir, TINY)):
        assert "is being downloaded" in fireside("rm", "tiny", "--yes").stderr
    assert is_downloaded(settings.data_dir, TINY)


@pytest.mark.skipif(os.name != "posix" or os.getuid() == 0, reason="root may delete everything")
def test_what_cannot_be_deleted(fireside: Fireside, settings: Settings, given: Path) -> None:
    write_catalog_file(settings.data_dir / "catalog", TINY)
    fireside("pull", "tiny", "--from", str(given))
    model_dir(settings.data_dir, TINY).chmod(0o500)
    assert "Permission denied" in fireside("rm", "tiny", "--yes").stderr


def test_not_while_a_server_has_it_in_memory(tmp_path: Path) -> None:
    with serving(tmp_path, "echo") as url:
        path = "/client/v4/accounts/x/ai/run/@hf/fireside/echo"
        assert httpx.post(url + path, json={"prompt": "hi"}, timeout=60, trust_env=False).status_code == 200
        done = run_command("rm", "echo", "--yes", data_dir=tmp_path)
        assert done.returncode == 1
        assert f"The server at {url} has @hf/fireside/echo in memory. First: fireside stop" in done.stderr
