"""Fine-tunes without HTTP: where their files go, what a killed process leaves, and a bucket instead of a folder."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fireside.catalog.spec import ArchitectureFacts, EngineSpec, FolderSource, ModelSpec, PromptSpec
from fireside.errors import BadAdapter, ConfigError, FineTuneIncomplete, FineTuneNotFound, StoreUnavailable
from fireside.finetunes.service import FineTunes
from fireside.settings import Settings
from fireside.store.finetunes import WAITING_SECONDS
from fireside.store.store import Store
from fireside.weights.adapter import read_adapter
from support.adapters import CONFIG, WEIGHTS, adapter_tensors, make_adapter
from support.checkpoints import make_tiny_checkpoint


def spec(folder: Path) -> ModelSpec:
    return ModelSpec(
        id="@hf/test/tiny",
        lora=True,
        context_length=512,
        source=FolderSource(kind="folder", path=str(folder)),
        prompt=PromptSpec(style="plain"),
        engine=EngineSpec(kind="onnx"),
        architecture=ArchitectureFacts(model_type="mistral"),
    )


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def model(tmp_path: Path) -> ModelSpec:
    return spec(tmp_path / "tiny")


@pytest.fixture
def store(data_dir: Path) -> Iterator[Store]:
    with Store(data_dir / "fireside.db") as store:
        yield store


def open_finetunes(store: Store, data_dir: Path, model: ModelSpec, **settings: Any) -> FineTunes:
    return FineTunes(Settings(data_dir=data_dir, **settings), store.finetunes, [model])


@pytest.fixture
def finetunes(store: Store, data_dir: Path, model: ModelSpec) -> FineTunes:
    return open_finetunes(store, data_dir, model)


def upload_all(finetunes: FineTunes, reference: str, folder: Path) -> None:
    for name in (CONFIG, WEIGHTS):
        finetunes.upload("a", reference, name, folder / name)


def files_under(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file()) if folder.exists() else []


def test_the_base_is_compared_when_it_is_here(finetunes: FineTunes, model: ModelSpec, tmp_path: Path) -> None:
    deep = make_adapter(tmp_path / "deep", tensors=adapter_tensors(layers=3))
    finetunes.create("a", model=model, name="before")
    upload_all(finetunes, "before", deep)
    make_tiny_checkpoint(tmp_path / "tiny")
    finetunes.create("a", model=model, name="after")
    with pytest.raises(BadAdapter, match="the model has 2 layers"):
        upload_all(finetunes, "after", deep)
    with pytest.raises(FineTuneIncomplete, match="the model has 2 layers"):
        finetunes.local("a", "after", model)


def test_a_lost_cache_is_filled_again(finetunes: FineTunes, model: ModelSpec, tmp_path: Path) -> None:
    finetunes.create("a", model=model, name="x")
    upload_all(finetunes, "x", make_adapter(tmp_path / "adapter"))
    first = finetunes.local("a", "x", model)
    for path in first.folder.iterdir():
        path.unlink()
    first.folder.rmdir()
    again = finetunes.local("a", "x", model)
    assert (again.version, again.folder) == (first.version, first.folder)
    assert len(read_adapter(first.folder).modules) == 4


def test_a_damaged_blob_is_noticed(finetunes: FineTunes, model: ModelSpec, data_dir: Path, tmp_path: Path) -> None:
    finetunes.create("a", model=model, name="x")
    upload_all(finetunes, "x", make_adapter(tmp_path / "adapter"))
    folder = finetunes.local("a", "x", model).folder
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    for blob in (data_dir / "finetunes").iterdir():
        os.truncate(blob, 3)
    with pytest.raises(StoreUnavailable, match="is damaged"):
        finetunes.local("a", "x", model)


def test_the_sweep_takes_what_is_out_of_use_and_nothing_else(
    finetunes: FineTunes, model: ModelSpec, data_dir: Path, tmp_path: Path
) -> None:
    for name, seed in (("kept", 0), ("gone", 1)):
        finetunes.create("a", model=model, name=name)
        upload_all(finetunes, name, make_adapter(tmp_path / name, tensors=adapter_tensors(seed=seed)))
    (finetunes.upload_folder() / "left").write_bytes(b"x")
    read = finetunes.local("a", "gone", model)
    finetunes.delete("a", "gone")
    assert len(files_under(data_dir / "finetunes")) == 2
    finetunes.sweep(grace=-10)
    assert files_under(data_dir / "uploads") == []
    assert files_under(read.folder) == [CONFIG, WEIGHTS], "somebody reads it"
    finetunes.release(read)
    assert files_under(data_dir / "cache") == [CONFIG, WEIGHTS]
    assert finetunes.local("a", "kept", model).folder.is_dir()


STEPS = ["reserve", "put", "keep", "fetch", "check_pair", "rename", "activate", "never"]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("step", STEPS)
def test_killed_at_any_step_no_half_adapter_is_seen(
    store: Store, data_dir: Path, model: ModelSpec, tmp_path: Path, step: str, after: bool
) -> None:
    finetunes = open_finetunes(store, data_dir, model)
    old, new = (make_adapter(tmp_path / str(seed), tensors=adapter_tensors(seed=seed)) for seed in (0, 1))
    (new / CONFIG).write_text((new / CONFIG).read_text() + " ")
    finetunes.create("a", model=model, name="x")
    upload_all(finetunes, "x", old)
    worker = Path(__file__).with_name("killed_upload.py")
    arguments = [str(data_dir), str(new), str(tmp_path / "tiny"), step, "after" if after else "before"]
    done = subprocess.run([sys.executable, str(worker), *arguments], capture_output=True, text=True, timeout=60)
    assert done.returncode == (0 if step == "never" else -9), done.stderr

    folder = finetunes.local("a", "x", model).folder
    content = {name: (folder / name).read_bytes() for name in (CONFIG, WEIGHTS)}
    whole = [{name: (source / name).read_bytes() for name in (CONFIG, WEIGHTS)} for source in (old, new)]
    assert content in whole
    assert (content == whole[1]) == (step == "never" or (step == "activate" and after))
    upload_all(finetunes, "x", new)  # the client tries again
    folder = finetunes.local("a", "x", model).folder
    assert {name: (folder / name).read_bytes() for name in (CONFIG, WEIGHTS)} == whole[1]
    finetunes.sweep(grace=-10)
    assert len(files_under(data_dir / "finetunes")) == 2
    assert files_under(data_dir / "cache") == [CONFIG, WEIGHTS]


def test_a_full_disk_is_said_and_leaves_nothing(store: Store, data_dir: Path, model: ModelSpec, tmp_path: Path) -> None:
    finetunes = open_finetunes(store, data_dir, model)
    finetunes.create("a", model=model, name="x")
    (data_dir / "finetunes").write_text("not a folder")  # nothing can be written under it
    with pytest.raises(StoreUnavailable, match="cannot be kept"):
        upload_all(finetunes, "x", make_adapter(tmp_path / "adapter"))
    assert finetunes.get("a", "x").waiting == ()


def test_deleted_fine_tunes_are_not_found(finetunes: FineTunes, model: ModelSpec) -> None:
    made = finetunes.create("a", model=model, name="x")
    finetunes.delete("a", "x")
    for reference in (made.id, "x"):
        with pytest.raises(FineTuneNotFound):
            finetunes.get("a", reference)


def test_public_ones_are_named_by_id_or_with_their_account(finetunes: FineTunes, model: ModelSpec) -> None:
    ids = [finetunes.create(account, model=model, name="x", public=True).id for account in ("a", "b")]
    with pytest.raises(FineTuneNotFound, match="ACCOUNT/NAME"):
        finetunes.get("c", "x")
    for references in (ids, ["a/x", "b/x"]):
        assert [finetunes.get("c", reference).id for reference in references] == ids
    assert [finetunes.get(account, "x").id for account in ("a", "b")] == ids


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A bucket on a real S3 server of this process; its URL."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}", "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1", "NO_PROXY": "127.0.0.1",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    client = boto3.client("s3")
    client.create_bucket(Bucket="tunes")
    try:
        yield "s3://tunes/some/prefix"
    finally:
        client.close()
        server.stop()


def test_two_servers_with_one_database_and_one_bucket(
    store: Store, data_dir: Path, model: ModelSpec, tmp_path: Path, bucket: str
) -> None:
    one, two = (open_finetunes(store, tmp_path / name, model, blob_url=bucket) for name in ("one", "two"))
    one.create("a", model=model, name="x")
    adapter = make_adapter(tmp_path / "adapter")
    one.upload("a", "x", CONFIG, adapter / CONFIG)
    two.upload("a", "x", WEIGHTS, adapter / WEIGHTS)  # its other half came in through the first
    folders = [finetunes.local("a", "x", model).folder for finetunes in (one, two)]
    assert folders[0] != folders[1]
    for folder in folders:
        assert (folder / WEIGHTS).read_bytes() == (adapter / WEIGHTS).read_bytes()
    one.delete("a", "x")
    for finetunes in (one, two):
        finetunes.sweep(grace=-10)
    assert [folder.exists() for folder in folders] == [False, False]
    import boto3

    client = boto3.client("s3")
    assert "Contents" not in client.list_objects_v2(Bucket="tunes")
    client.close()


def test_a_bucket_that_is_not_there(
    store: Store, data_dir: Path, model: ModelSpec, tmp_path: Path, bucket: str
) -> None:
    finetunes = open_finetunes(store, data_dir, model, blob_url="s3://missing")
    finetunes.create("a", model=model, name="x")
    with pytest.raises(StoreUnavailable, match="bucket"):
        finetunes.upload("a", "x", CONFIG, make_adapter(tmp_path / "adapter") / CONFIG)
    assert finetunes.get("a", "x").waiting == ()


@pytest.mark.parametrize("url", ["http://user:secret@host/x", "file:///etc", "nonsense", "gs://x"])
def test_other_blob_urls_are_refused(store: Store, data_dir: Path, model: ModelSpec, url: str) -> None:
    with pytest.raises(ConfigError, match="FIRESIDE_BLOB_URL") as caught:
        open_finetunes(store, data_dir, model, blob_url=url)
    assert "secret" not in str(caught.value)


def test_a_file_that_waited_for_long_is_not_paired_with_a_new_one(
    finetunes: FineTunes, store: Store, data_dir: Path, model: ModelSpec, tmp_path: Path
) -> None:
    finetunes.create("a", model=model, name="x")
    one, two = (make_adapter(tmp_path / str(seed), tensors=adapter_tensors(seed=seed)) for seed in (1, 2))
    upload_all(finetunes, "x", one)
    finetunes.upload("a", "x", WEIGHTS, one / WEIGHTS)  # a client that did not get its answer tries again
    with sqlite3.connect(data_dir / "fireside.db") as database:
        database.execute("UPDATE finetune_files SET uploaded_at = uploaded_at - ?", [WAITING_SECONDS + 1])
    database.close()
    (two / CONFIG).write_text((two / CONFIG).read_text() + " ")
    finetunes.upload("a", "x", CONFIG, two / CONFIG)
    folder = finetunes.local("a", "x", model).folder
    assert (folder / CONFIG).read_bytes() == (one / CONFIG).read_bytes()
    finetunes.upload("a", "x", WEIGHTS, two / WEIGHTS)
    folder = finetunes.local("a", "x", model).folder
    assert [(folder / name).read_bytes() for name in (CONFIG, WEIGHTS)] == [
        (two / name).read_bytes() for name in (CONFIG, WEIGHTS)
    ]
