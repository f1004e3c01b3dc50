"""Unmodified clients make and use fine-tunes: wrangler, and the official SDKs for Python and TypeScript."""

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cloudflare import BadRequestError, Cloudflare

from fireside.catalog.loader import Catalog
from fireside.settings import Settings
from support.adapters import CONFIG, WEIGHTS
from support.compatibility import npm_version, python_version
from support.echo_service import LORA, EchoService
from support.live_server import LiveServer, live_server

Proven = Callable[[str, str, str, str], None]

LISTING = "/client/v4/accounts/acc/ai/finetunes"


def wrangler(folder: Path, environment: dict[str, str], cwd: Path, *arguments: str) -> str:
    command = ["node", str(folder / "node_modules/wrangler/bin/wrangler.js"), "ai", "finetune", *arguments]
    done = subprocess.run(command, env=environment, cwd=cwd, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LiveServer]:
    """The model for fine-tunes has all the names that the catalog gives it."""
    names = Catalog.from_settings(Settings(data_dir=tmp_path / "data")).get(LORA).aliases
    service = EchoService()
    service.specs = [spec.model_copy(update={"aliases": names}) if spec.id == LORA else spec for spec in service.specs]
    with live_server(tmp_path / "data", service) as running:
        yield running


@pytest.mark.parametrize(
    "model", [LORA, "@cf/mistral/mistral-7b-instruct-v0.2-lora", "@cf/mistralai/mistral-7b-instruct-v0.2-lora"]
)
def test_wrangler_creates_and_lists(
    model: str,
    server: LiveServer,
    npm_clients: Path,
    client_environment: dict[str, str],
    adapter: Path,
    tmp_path: Path,
    proven: Proven,
) -> None:
    """By each name of the model: that of the documentation is one with "-lora"."""
    said = wrangler(npm_clients, client_environment, tmp_path, "create", model, "mine", str(adapter))
    assert 'Assets uploaded, finetune "mine" is ready to use' in said
    [made] = server.client.get(LISTING).json()["result"]
    assert (made["name"], made["status"]) == ("mine", "ready")
    assert made["id"] in wrangler(npm_clients, client_environment, tmp_path, "list")
    for name in (model, LORA):
        assert server.client.post(server.run_path(name), json={"prompt": "hi", "lora": "mine"}).status_code == 200
    assert all(request.adapter is not None for request in server.service.requests)
    proven(
        "wrangler", npm_version(npm_clients, "wrangler"), f"`ai finetune create {model}`, `ai finetune list`", "works"
    )


def test_wrangler_shows_what_is_wrong(
    server: LiveServer,
    npm_clients: Path,
    client_environment: dict[str, str],
    adapter: Path,
    tmp_path: Path,
    proven: Proven,
) -> None:
    (adapter / WEIGHTS).write_bytes(b"\xff" * 64)
    command = ["node", str(npm_clients / "node_modules/wrangler/bin/wrangler.js"), "ai", "finetune", "create"]
    done = subprocess.run(
        [*command, LORA, "mine", str(adapter)], env=client_environment, cwd=tmp_path, capture_output=True, text=True,
        timeout=120,
    )  # fmt: skip
    assert "not a sound safetensors file" in done.stdout + done.stderr
    assert server.client.get(f"{LISTING}/mine").json()["result"]["status"] == "failed"
    proven(
        "wrangler",
        npm_version(npm_clients, "wrangler"),
        "`ai finetune create` with a broken file",
        "shows “not a sound safetensors file”",
    )


def test_the_typescript_sdk(server: LiveServer, npm_clients: Path, adapter: Path, proven: Proven) -> None:
    script = npm_clients / "finetunes.mjs"  # beside node_modules, where node looks for packages
    script.write_bytes((Path(__file__).parent / "finetunes.mjs").read_bytes())
    done = subprocess.run(
        ["node", str(script), f"{server.url}/client/v4", str(adapter), LORA],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert [upload["success"] for upload in said["uploads"]] == [True, True]
    assert said["shared"][0]["id"] == said["id"]
    assert said["answer"]["response"] == "hello there"
    assert said["refusal"] == {"status": 400, "code": 5110}
    assert said["id"] in json.dumps(said["list"])
    version = npm_version(npm_clients, "cloudflare")
    proven(
        "cloudflare (TypeScript)", version, "`ai.finetunes`: create, upload, list, public; `ai.run` with it", "works"
    )


def test_the_python_sdk(server: LiveServer, adapter: Path, proven: Proven) -> None:
    with Cloudflare(api_token="any", base_url=f"{server.url}/client/v4", max_retries=0) as client:
        tunes = client.ai.finetunes
        made = tunes.create(account_id="acc", model=LORA, name="mine", public=True)
        assert made is not None
        for name in (CONFIG, WEIGHTS):
            asset = tunes.assets.create(made.id, account_id="acc", file_name=name, file=(adapter / name).read_bytes())
            assert asset is not None
            assert asset.success
        assert made.id in str(tunes.list(account_id="acc"))
        assert [one.id for one in tunes.public.list(account_id="acc")] == [made.id]
        answer = client.ai.run(LORA, account_id="acc", prompt="hello there", lora="mine")
        assert "hello there" in str(answer)
        with pytest.raises(BadRequestError) as caught:
            tunes.create(account_id="acc", model=LORA, name="mine")
        assert caught.value.errors[0].code == 5110
    version = python_version("cloudflare")
    proven("cloudflare (Python)", version, "`ai.finetunes`: create, upload, list, public; `ai.run` with it", "works")
