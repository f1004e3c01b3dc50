"""The small routes: health, readiness, home page, models, schemas."""

import inspect
from pathlib import Path
from typing import Any

import pytest

from fireside import errors
from fireside.api.http.wire_errors import WIRE_ERRORS
from fireside.api.schema.run_input import parse_input
from fireside.errors import RequestError
from fireside.serving.types import ModelState
from support.echo_service import AWQ, LORA, LORA_ALIAS, PLAIN, EchoService
from support.live_server import LiveServer, check_error, live_server

MODELS = "/client/v4/accounts/acc/ai/models"


def search(server: LiveServer, **query: Any) -> dict[str, Any]:
    response = server.client.get(f"{MODELS}/search", params=query)
    assert response.status_code == 200
    found: dict[str, Any] = response.json()
    return found


def names(server: LiveServer, **query: Any) -> list[str]:
    return [model["name"] for model in search(server, **query)["result"]]


def test_health(shared_server: LiveServer) -> None:
    for path in ("/health", "/healthz", "/health/"):
        assert shared_server.client.get(path).json()["result"] == {"status": "ok"}


def test_ready(shared_server: LiveServer) -> None:
    assert shared_server.client.get("/ready").json()["result"] == {"status": "ready"}


@pytest.mark.parametrize(("state", "shown"), [("loading", "loading (50%)"), ("failed", "failed")])
def test_not_ready(tmp_path: Path, state: ModelState, shown: str) -> None:
    with live_server(tmp_path, EchoService(state=state)) as server:
        message = check_error(server.client.get("/ready"), 503, 5106)
        assert message == f"The default model is {shown}."
        assert server.client.get("/health").status_code == 200


def test_a_model_that_loads_with_the_first_request_is_ready(tmp_path: Path) -> None:
    with live_server(tmp_path, EchoService(state="idle")) as server:
        assert server.client.get("/ready").status_code == 200


def test_a_model_whose_load_failed_is_not(tmp_path: Path) -> None:
    with live_server(tmp_path, EchoService(state="idle", detail="secret reason")) as server:
        message = check_error(server.client.get("/ready"), 503, 5106)
        assert message == "The default model is failed."


def test_ready_by_a_stand_in(tmp_path: Path) -> None:
    model = "@hf/thebloke/neural-chat-7b-v3-1-awq"
    with live_server(tmp_path, EchoService(stand_in=PLAIN), default_model=model) as server:
        assert server.client.get("/ready").json()["result"] == {"status": "ready"}


def test_models_search(shared_server: LiveServer) -> None:
    found = search(shared_server)
    assert found["result_info"] == {"page": 1, "per_page": 50, "count": 3, "total_count": 3, "total_pages": 1}
    [model] = [model for model in found["result"] if model["name"] == LORA]
    properties = {entry["property_id"]: entry["value"] for entry in model.pop("properties")}
    assert properties == {
        "beta": "true",
        "lora": "true",
        "info": "https://example.com/model",
        "context_window": "4096",
        "alias": LORA_ALIAS,
    }
    assert model.pop("task")["name"] == "Text Generation"
    assert model == {
        "id": "00000000-0000-0000-0000-000000000002",
        "source": 2,
        "name": LORA,
        "description": "Test model 2.",
        "created_at": "2024-02-01 00:00:00.000",
        "tags": [],
    }


def test_models_search_narrows(shared_server: LiveServer) -> None:
    assert names(shared_server, search="OPENHERMES") == [AWQ]
    assert names(shared_server, search="test model 3") == [AWQ]
    assert names(shared_server, author="Mistral") == [LORA]
    assert names(shared_server, source=1) == [PLAIN]
    assert set(names(shared_server, source=2, hide_experimental="true")) == {LORA, AWQ}
    assert len(names(shared_server, task="text generation")) == 3
    assert names(shared_server, task="Text-to-Image") == []
    assert names(shared_server, search="[a-z]*") == []


def test_models_search_pages_until_a_short_page(shared_server: LiveServer) -> None:
    pages = [names(shared_server, per_page=2, page=page) for page in (1, 2, 3, 10**30)]
    assert [len(page) for page in pages] == [2, 1, 0, 0]
    assert sorted(pages[0] + pages[1]) == sorted(names(shared_server))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("page", 0),
        ("page", "x"),
        ("page", -1),
        ("per_page", 0),
        ("per_page", 1001),
        ("source", "x"),
        ("page", "9" * 5000),
    ],
)
def test_models_search_checks_its_query(shared_server: LiveServer, field: str, value: Any) -> None:
    response = shared_server.client.get(f"{MODELS}/search", params={field: value})
    assert check_error(response, 400, 5006).startswith(f"{field}: ")


def test_tasks_and_authors(shared_server: LiveServer) -> None:
    tasks = shared_server.client.get("/client/v4/accounts/acc/ai/tasks/search").json()["result"]
    assert [task["name"] for task in tasks] == ["Text Generation"]
    authors = shared_server.client.get("/client/v4/accounts/acc/ai/authors/search").json()["result"]
    assert [author["name"] for author in authors] == ["fireside", "mistral", "thebloke"]


def test_schema_has_the_published_bounds(shared_server: LiveServer) -> None:
    result = shared_server.client.get(f"{MODELS}/schema", params={"model": LORA}).json()["result"]
    prompt, messages = result["input"]["oneOf"]
    assert prompt["required"] == ["prompt"]
    assert messages["required"] == ["messages"]
    assert prompt["properties"]["prompt"] == {"type": "string", "minLength": 1, "maxLength": 131_072}
    for form in (prompt, messages):
        fields = form["properties"]
        assert fields["top_k"] == {"type": "integer", "minimum": 1, "maximum": 50}
        assert fields["seed"] == {"type": "integer", "minimum": 1, "maximum": 9_999_999_999}
        assert fields["repetition_penalty"] == {"type": "number", "minimum": 0, "maximum": 2}
        assert (fields["max_tokens"]["default"], fields["temperature"]["default"]) == (256, 0.6)
        assert fields["lora"]["type"] == "string"
    assert messages["properties"]["functions"]["items"]["required"] == ["name", "code"]
    assert "$ref" not in str(result)
    assert "null" not in str(result["input"])
    assert result["output"]["oneOf"][0]["required"] == ["response"]


def test_schema_needs_a_model_that_is_there(shared_server: LiveServer) -> None:
    check_error(shared_server.client.get(f"{MODELS}/schema"), 400, 5006)
    check_error(shared_server.client.get(f"{MODELS}/schema", params={"model": "@hf/a/b"}), 400, 5007)
    check_error(shared_server.client.get(f"{MODELS}/schema", params={"model": "x"}), 404, 3042)


def _leaves(kind: type[Exception]) -> list[type[Exception]]:
    # Other packages may refine an error for themselves; on the wire theirs is the one of the tree.
    below = [child for child in kind.__subclasses__() if child.__module__ == errors.__name__]
    return [leaf for child in below for leaf in _leaves(child)] if below else [kind]


def test_the_error_table_has_every_error_and_no_other() -> None:
    assert set(WIRE_ERRORS) == set(_leaves(errors.FiresideError))


def test_the_tree_of_errors_is_the_one_that_is_drawn() -> None:
    drawn = inspect.getdoc(errors) or ""
    for name, kind in inspect.getmembers(errors, inspect.isclass):
        if issubclass(kind, Exception):
            assert name in drawn


def test_a_long_message_keeps_its_beginning_and_its_advice() -> None:
    said = str(errors.BadAdapter(f"peft_type is {'x' * 200_000}; Fireside runs 'LORA' only."))
    assert said.startswith("peft_type is xxx")
    assert said.endswith("xxx; Fireside runs 'LORA' only.")
    assert len(said) < 2100
    assert "characters left out" in said
    assert str(errors.BadAdapter("x" * 2000)) == "x" * 2000


def test_request_errors_are_the_callers_to_correct() -> None:
    assert all(entry.status < 500 for kind, entry in WIRE_ERRORS.items() if issubclass(kind, RequestError))


def test_the_published_examples_are_taken() -> None:
    for body in (
        {"prompt": "tell me a joke about cloudflare"},
        {"prompt": "<s>[INST]comedian[/INST]</s>\n[INST]tell me a joke about cloudflare[/INST]", "raw": True},
        {"stream": True, "messages": [{"role": "system", "content": "x"}, {"role": "user", "content": "Why?"}]},
        {"prompt": "tell me a story", "raw": "true", "lora": "00000000-0000-0000-0000-000000000"},
    ):
        assert parse_input(body).raw == (body.get("raw") in (True, "true"))
