"""What the pages ask of the API: states, downloads, previews."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from fireside.catalog.spec import ModelSpec
from fireside.engine.types import EngineStats
from fireside.serving.types import ModelStatus
from fireside.weights.locate import is_downloaded
from support.echo_service import AWQ, LORA, PLAIN, EchoService
from support.file_server import FileServer, file_server
from support.live_server import LiveServer, check_error, live_server, wait_until
from support.model_sources import file_path, hub_source, model_spec, serve_repository

TINY = "@hf/someone/tiny"


class FetchingService(EchoService):
    """Knows one more model, whose files are on a hub."""

    def __init__(self, data_dir: Path, spec: ModelSpec) -> None:
        super().__init__()
        self.data_dir = data_dir
        self.specs.append(spec)

    async def status(self, model: str) -> ModelStatus:
        if model == TINY and not is_downloaded(self.data_dir, self.specs[-1]):
            return ModelStatus("not-downloaded")
        return ModelStatus("idle" if model == TINY else "ready")


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    with file_server() as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        yield server


@contextmanager
def fetching_server(folder: Path, **settings: Any) -> Iterator[LiveServer]:
    service = FetchingService(folder, model_spec(hub_source("config.json", "model.safetensors")))
    with live_server(folder, service, **settings) as server:
        yield server


def models(server: LiveServer) -> dict[str, dict[str, Any]]:
    result = server.client.get("/api/models").json()["result"]
    return {model["name"]: model for model in result["models"]}


def download(server: LiveServer, method: str = "POST", model: str = TINY, **options: Any) -> Any:
    return server.client.request(method, f"/api/models/{model}/download", **options)


def test_models_tell_what_the_pages_show(shared_server: LiveServer) -> None:
    result = shared_server.client.get("/api/models").json()["result"]
    assert result["server"]["default_model"] == PLAIN
    found = models(shared_server)
    assert set(found) == {PLAIN, LORA, AWQ}
    shown = found[LORA]
    assert (shown["state"], shown["lora"], shown["beta"], shown["context_length"]) == ("ready", True, True, 4096)
    assert (shown["can_download"], shown["answered_by"], shown["prompt_style"]) == (False, None, "plain")
    assert shown["prompt_style_title"] == "Plain text, no template"


def test_the_operators_limit_is_the_context_window(tmp_path: Path) -> None:
    with live_server(tmp_path, context_length=100) as server:
        assert models(server)[PLAIN]["context_length"] == 100


def test_a_load_tells_how_far_it_is(tmp_path: Path) -> None:
    with live_server(tmp_path, EchoService(state="loading")) as server:
        shown = models(server)[PLAIN]
        assert (shown["state"], shown["progress"]["share"]) == ("loading", 0.5)


def test_a_download_with_progress(tmp_path: Path, hub: FileServer) -> None:
    arrived, go = threading.Event(), threading.Event()
    served = serve_repository(hub, {"config.json": b"{}", "model.safetensors": bytes(5_000_000)})

    def hold() -> None:
        arrived.set()
        assert go.wait(30)

    served["model.safetensors"].before = hold
    with fetching_server(tmp_path) as server:
        assert models(server)[TINY]["state"] == "not-downloaded"
        assert models(server)[TINY]["can_download"] is True
        started = download(server).json()["result"]
        assert started["state"] == "downloading"
        assert arrived.wait(30)
        again = download(server).json()["result"]
        assert again["state"] == "downloading"
        assert again["progress"]["phase"]
        go.set()
        wait_until(lambda: models(server)[TINY]["state"] == "idle", 30)
        assert download(server).json()["result"]["state"] == "idle"
        assert len([path for path, _ in hub.requests if path == file_path("model.safetensors")]) == 1


def test_a_download_can_be_cancelled_and_goes_on_from_there(tmp_path: Path, hub: FileServer) -> None:
    asked, go = threading.Event(), threading.Event()
    served = serve_repository(hub, {"config.json": b"{}", "model.safetensors": bytes(3_000_000)})
    model = served["model.safetensors"]
    model.cuts = [1_000_000]

    def hold() -> None:
        if not model.cuts:
            asked.set()
            assert go.wait(30)

    model.before = hold
    with fetching_server(tmp_path) as server:
        download(server)
        assert asked.wait(30)
        assert download(server, "DELETE").json()["result"]["state"] == "not-downloaded"
        go.set()
        wait_until(lambda: not [thread for thread in threading.enumerate() if thread.name == f"pull {TINY}"], 30)
        assert models(server)[TINY]["state"] == "not-downloaded"
        download(server)
        wait_until(lambda: models(server)[TINY]["state"] == "idle", 30)
        # What arrived before the stop was kept.
        start = int(hub.ranges_of(file_path("model.safetensors"))[-1].removeprefix("bytes=").removesuffix("-"))
        assert start >= 1_000_000


def test_a_failed_download_says_why_and_can_be_tried_again(tmp_path: Path, hub: FileServer) -> None:
    with fetching_server(tmp_path) as server:
        download(server)
        wait_until(lambda: models(server)[TINY]["state"] == "failed", 30)
        shown = models(server)[TINY]
        assert "someone/tiny" in shown["detail"]
        assert shown["can_download"] is True
        serve_repository(hub, {"config.json": b"{}", "model.safetensors": bytes(100)})
        download(server)
        wait_until(lambda: models(server)[TINY]["state"] == "idle", 30)


def test_a_failure_can_be_dismissed(tmp_path: Path, hub: FileServer) -> None:
    with fetching_server(tmp_path) as server:
        download(server)
        wait_until(lambda: models(server)[TINY]["state"] == "failed", 30)
        assert download(server, "DELETE").json()["result"]["state"] == "not-downloaded"


def test_downloads_can_be_switched_off(tmp_path: Path) -> None:
    with fetching_server(tmp_path, web_downloads=False) as server:
        assert models(server)[TINY]["can_download"] is False
        message = check_error(download(server), 400, 5100)
        assert f"fireside pull {TINY}" in message
        assert models(server)[TINY]["state"] == "not-downloaded"


@pytest.mark.parametrize(
    ("model", "status", "code"),
    [(PLAIN, 400, 5100), ("@hf/no/such", 400, 5007), ("https://evil.example/x", 404, 3042), ("../../etc", 404, 3042)],
)
def test_only_models_of_the_catalog_are_fetched(shared_server: LiveServer, model: str, status: int, code: int) -> None:
    check_error(download(shared_server, model=model.replace("/", "%2F")), status, code)


def test_only_an_admins_token_starts_downloads(tmp_path: Path) -> None:
    with fetching_server(tmp_path) as server:
        token, _ = server.store.create_token("acc", "user", ["run", "finetunes"])
        wait_until(server.store.has_tokens)
        headers = {"authorization": f"Bearer {token}"}
        assert server.client.get("/api/models", headers=headers).status_code == 200
        for method in ("POST", "DELETE"):
            assert "scope admin" in check_error(download(server, method, headers=headers), 403, 10000)


class CountingService(EchoService):
    """Tells what its engine has done."""

    async def status(self, model: str) -> ModelStatus:
        return ModelStatus("ready", stats=EngineStats(running=1, generated_tokens=70))


def test_how_much_a_model_does_is_shown_to_admins(tmp_path: Path) -> None:
    with live_server(tmp_path, CountingService()) as server:
        assert models(server)[PLAIN]["stats"]["generated_tokens"] == 70
        for scopes, shown in ((["run", "finetunes"], False), (["admin"], True)):
            token, _ = server.store.create_token("acc", "test", scopes)
            wait_until(server.store.has_tokens)
            server.client.headers["authorization"] = f"Bearer {token}"
            assert (models(server)[PLAIN]["stats"] is not None) == shown


def test_pages_of_elsewhere_start_nothing(shared_server: LiveServer) -> None:
    check_error(download(shared_server, headers={"origin": "https://evil.example"}), 403, 10000)


def test_a_preview_is_what_the_model_reads(server: LiveServer) -> None:
    body = {"messages": [{"role": "user", "content": "hé"}], "max_tokens": 10**6}
    seen = server.client.post(f"/api/models/{LORA}/preview", json=body).json()["result"]
    assert seen == {"model": LORA, "pieces": [{"text": "hé", "control": False}], "tokens": 3}
    assert server.service.requests == []


@pytest.mark.parametrize(("body", "code"), [({}, 5006), ({"prompt": "a", "temperature": 9}, 5006), ([], 3003)])
def test_a_preview_checks_its_request(shared_server: LiveServer, body: object, code: int) -> None:
    content = json.dumps(body).encode()
    check_error(shared_server.client.post(f"/api/models/{PLAIN}/preview", content=content), 400, code)


def test_a_preview_needs_a_model(shared_server: LiveServer) -> None:
    check_error(shared_server.client.post("/api/models/@hf/no/such/preview", json={"prompt": "a"}), 400, 5007)
