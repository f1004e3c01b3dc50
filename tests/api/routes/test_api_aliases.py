"""A model answers to its aliases wherever it answers to its id."""

from pathlib import Path

import pytest

from support.adapters import CONFIG, WEIGHTS, make_adapter
from support.echo_service import AWQ, LORA, LORA_ALIAS
from support.live_server import LiveServer

AI = "/client/v4/accounts/acc/ai"
V1 = f"{AI}/v1"
NAMES = [LORA, LORA_ALIAS]


@pytest.mark.parametrize("name", NAMES)
def test_running(server: LiveServer, name: str) -> None:
    client = server.client
    messages = [{"role": "user", "content": "one two"}]
    bare = {"inputs": {"prompt": "one two"}, "options": {}}
    answers = [
        client.post(f"{AI}/run/{name}", json={"prompt": "one two"}),
        client.post(f"{AI}/binding/run", json=bare, headers={"cf-consn-model-id": name}),
        client.post(f"{V1}/chat/completions", json={"model": name, "messages": messages}),
        client.post("/v1/completions", json={"model": name, "prompt": "one two"}),
    ]
    for answer in answers:
        assert answer.status_code == 200
        assert "fireside-served-by" not in answer.headers  # it is the model itself, and no stand-in
        assert "one two" in answer.text
    assert answers[2].json()["model"] == name


@pytest.mark.parametrize("made_for", NAMES)
def test_fine_tunes(fresh_server: LiveServer, tmp_path: Path, made_for: str) -> None:
    """As `wrangler ai finetune create` makes them."""
    client = fresh_server.client
    made = client.post(f"{AI}/finetunes", json={"model": made_for, "name": "mine", "description": ""}).json()["result"]
    assert made["model"] == LORA
    adapter = make_adapter(tmp_path / "adapter")
    for file in (CONFIG, WEIGHTS):
        upload = {"file": (file, (adapter / file).read_bytes())}
        client.post(f"{AI}/finetunes/mine/finetune-assets", data={"file_name": file}, files=upload).raise_for_status()
    for name in NAMES:
        assert client.post(f"{AI}/run/{name}", json={"prompt": "hi", "lora": "mine"}).status_code == 200
        chat = {"model": f"{name}:mine", "messages": [{"role": "user", "content": "hi"}]}
        assert client.post(f"{V1}/chat/completions", json=chat).status_code == 200
    wrong = client.post(f"{AI}/run/{AWQ}", json={"prompt": "hi", "lora": "mine"})
    assert wrong.json()["errors"][0]["code"] == 5005
    assert {request.adapter is not None for request in fresh_server.service.requests} == {True}


@pytest.mark.parametrize(
    "query", [{"search": LORA_ALIAS}, {"author": "mistralai"}, {"author": "mistral"}, {"search": "v0.2-lora"}]
)
def test_searching(shared_server: LiveServer, query: dict[str, str]) -> None:
    [found] = shared_server.client.get(f"{AI}/models/search", params=query).json()["result"]
    assert found["name"] == LORA
    assert {"property_id": "alias", "value": LORA_ALIAS} in found["properties"]


def test_schema_and_models(shared_server: LiveServer) -> None:
    client = shared_server.client
    by_id, by_alias = (client.get(f"{AI}/models/schema", params={"model": name}).json() for name in NAMES)
    assert by_id == by_alias
    assert by_id["success"]
    one = client.get(f"/v1/models/{LORA_ALIAS}").json()
    assert (one["id"], one["owned_by"]) == (LORA_ALIAS, "mistralai")
    assert one in client.get("/v1/models").json()["data"]


def test_previews(shared_server: LiveServer) -> None:
    post = shared_server.client.post
    by_id, by_alias = (post(f"/api/models/{name}/preview", json={"prompt": "hi"}).json() for name in NAMES)
    assert by_id == by_alias
    assert by_id["success"]
