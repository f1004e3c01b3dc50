"""No answer names a place on the server's disk, whatever is wrong with a file; the log does."""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from fireside.store.store import Store
from fireside.store.tokens import SCOPES
from support.adapters import CONFIG, WEIGHTS, make_adapter
from support.checkpoints import make_tiny_checkpoint
from support.gguf_files import header
from support.live_server import wait_until
from support.served import served
from support.tiny_tokenizers import tiny_byte_level
from support.user_models import add_model

FINETUNES = "/client/v4/accounts/acc/ai/finetunes"


def sound(folder: Path, **options: Any) -> None:
    tokenizer = tiny_byte_level()
    make_tiny_checkpoint(folder, vocab=len(tokenizer["model"]["vocab"]), **options)
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))


def put(name: str, content: bytes) -> Callable[[Path], None]:
    """A sound model with one file of this content."""

    def write(folder: Path) -> None:
        sound(folder)
        (folder / name).write_bytes(content)

    return write


def only(name: str, content: bytes) -> Callable[[Path], None]:
    """A folder with this file and a tokenizer."""

    def write(folder: Path) -> None:
        folder.mkdir()
        (folder / "tokenizer.json").write_text(json.dumps(tiny_byte_level()))
        (folder / name).write_bytes(content)

    return write


def without(name: str, **options: Any) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        sound(folder, **options)
        (folder / name).unlink()

    return write


def a_folder(name: str) -> Callable[[Path], None]:
    """A sound model with a folder where a file should be."""

    def write(folder: Path) -> None:
        sound(folder)
        (folder / name).unlink()
        (folder / name).mkdir()

    return write


def changed(**changes: object) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        sound(folder)
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | changes))

    return write


BROKEN: dict[str, tuple[int, Callable[[Path], None]]] = {
    "nothing": (5101, lambda folder: None),
    "empty": (5101, only("README.md", b"")),
    "no-config": (5102, without("config.json")),
    "config-no-json": (5102, put("config.json", b"{")),
    "config-a-list": (5102, put("config.json", b"[]")),
    "config-too-large": (5102, put("config.json", bytes(2 << 20))),
    "config-a-folder": (5102, a_folder("config.json")),
    "other-architecture": (5103, changed(architectures=["BertModel"])),
    "other-quantisation": (5103, changed(quantization_config={"quant_method": "bitsandbytes", "bits": 4})),
    "other-size": (5102, changed(hidden_size=64)),
    "senseless-size": (5102, changed(num_attention_heads=0)),
    "weights-cut": (5102, put("model.safetensors", bytes(100))),
    "weights-a-folder": (5102, a_folder("model.safetensors")),
    "index-no-json": (5102, put("model.safetensors.index.json", b"{")),
    "index-of-elsewhere": (5102, put("model.safetensors.index.json", b'{"weight_map": {"a": "../a.safetensors"}}')),
    "shard-missing": (5102, without("model-00002-of-00003.safetensors", shards=3)),
    "pickle": (5103, only("pytorch_model.bin", b"\x80\x04.")),
    "no-tokenizer": (5102, without("tokenizer.json")),
    "tokenizer-no-json": (5102, put("tokenizer.json", b"{")),
    "tokenizer-a-folder": (5102, a_folder("tokenizer.json")),
    "tokenizer-config-no-json": (5102, put("tokenizer_config.json", b"{")),
    "gguf-cut": (5102, only("model.gguf", b"GGUF")),
    "gguf-new": (5103, only("model.gguf", header(version=9))),
    "gguf-no-model": (5103, only("model.gguf", header())),
}


@dataclass(frozen=True)
class Running:
    client: httpx.Client
    place: Path
    log: Path

    def ask(self, model: str, **options: object) -> httpx.Response:
        body = {"prompt": "a", "max_tokens": 2, **options}
        return self.client.post(f"/client/v4/accounts/acc/ai/run/@hf/me/{model}", json=body)

    def check(self, response: httpx.Response, *codes: int) -> str:
        """Assert one of these codes, and that no folder of the server is named; the message."""
        assert str(self.place) not in response.text
        [error] = response.json()["errors"]
        assert error["code"] in codes, error
        return str(error["message"])


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    place = tmp_path_factory.mktemp("secret")
    data = place / "data"
    for name, (_, make) in BROKEN.items():
        make(place / name)
        add_model(data, name, folder=place / name)
    sound(place / "facts")
    add_model(data, "facts", folder=place / "facts", architecture="[architecture]\nvocab_size = 7")
    sound(place / "sound")
    add_model(data, "sound", folder=place / "sound", lora=True)
    hub = '[source]\nkind = "huggingface"\nrepo = "a/b"\nrevision = "main"\nfiles = ["config.json"]\n'
    rest = '[prompt]\nstyle = "plain"\n[engine]\nkind = "onnx"\n'
    (data / "catalog" / "hub.toml").write_text(f'id = "@hf/me/hub"\ncontext_length = 64\n{hub}{rest}')
    (data / "models").write_text("a file where the folder of models should be")
    with (place / "log").open("w") as log, served(data, log.fileno()) as server:
        with Store(data / "store.db") as store:
            token, _ = store.create_token("acc", "downloads", SCOPES)
        headers = {"authorization": f"Bearer {token}"}
        with httpx.Client(base_url=server.url, headers=headers, timeout=60, trust_env=False) as client:
            yield Running(client, place, place / "log")


@pytest.mark.parametrize("name", BROKEN)
def test_broken_models(running: Running, name: str) -> None:
    message = running.check(running.ask(name), BROKEN[name][0])
    assert message in running.log.read_text()
    assert str(running.place / name) in running.log.read_text()
    running.check(running.ask(name, stream=True), BROKEN[name][0])
    shown = running.client.get("/api/models")
    assert str(running.place) not in shown.text


def test_a_model_that_is_not_the_catalogs(running: Running) -> None:
    assert running.check(running.ask("facts"), 5102).startswith("config.json is not of the model")


def test_a_download_that_cannot_be_kept(running: Running) -> None:
    assert running.client.post("/api/models/@hf/me/hub/download").status_code == 200

    def shown() -> dict[str, Any]:
        answer = running.client.get("/api/models")
        assert str(running.place) not in answer.text
        return next(model for model in answer.json()["result"]["models"] if model["name"] == "@hf/me/hub")

    wait_until(lambda: shown()["state"] == "failed")
    assert "cannot be kept" in shown()["detail"]


def upload(running: Running, file: Path) -> httpx.Response:
    url = f"{FINETUNES}/{file.parent.name}/finetune-assets"
    return running.client.post(url, data={"file_name": file.name}, files={"file": file.read_bytes()})


def test_fine_tunes(running: Running, tmp_path: Path) -> None:
    body = {"model": "@hf/me/sound", "name": "tune"}
    assert running.client.post(FINETUNES, json=body).status_code == 200
    good = make_adapter(tmp_path / "tune")
    (tmp_path / "bad" / "tune").mkdir(parents=True)
    for name, content in ((CONFIG, b"{"), (WEIGHTS, b"PK"), (WEIGHTS, bytes(99)), (WEIGHTS, b"")):
        (tmp_path / "bad" / "tune" / name).write_bytes(content)
        assert running.check(upload(running, tmp_path / "bad" / "tune" / name), 5112).startswith(f"{name}: ")
    assert upload(running, good / CONFIG).status_code == 200

    blobs = running.place / "data" / "finetunes"
    blobs.rename(running.place / "aside")
    blobs.write_text("a file where the folder of blobs should be")
    running.check(upload(running, good / WEIGHTS), 3043)
    blobs.unlink()
    (running.place / "aside").rename(blobs)
    assert upload(running, good / WEIGHTS).status_code == 200

    # The files of its version are a cache, which something else may damage.
    [version] = (running.place / "data" / "cache" / "adapters").iterdir()
    for name in (CONFIG, WEIGHTS):
        shutil.copytree(version, tmp_path / name)
        (version / name).unlink()
        (version / name).mkdir()
        message = running.check(running.ask("sound", lora="tune"), 3043)
        assert message.startswith("The fine-tune cannot be loaded: ")
        assert name in message
        with suppress(OSError):
            shutil.rmtree(version)
        (tmp_path / name).rename(version)
    assert running.ask("sound", lora="tune").status_code == 200
