"""No field is ignored in silence: each of OpenAI's library and vLLM is done, without effect, or named as refused."""

import re
from collections.abc import Mapping
from typing import Any, get_type_hints

import pytest
from openai.types import completion_create_params as completion_params
from openai.types.chat import completion_create_params as chat_params

from fireside.api.openai.fields import Bookkeeping, ChatInput, CompletionInput, parse
from fireside.api.openai.refused import CHAT, COMPLETIONS
from fireside.api.openai.requests import chat_choices, completion_choices
from fireside.errors import FeatureUnavailable
from support import vllm_fields
from support.documents import read
from support.live_server import LiveServer, check_openai_error

BODIES: dict[type[ChatInput | CompletionInput], dict[str, Any]] = {
    ChatInput: {"model": "@hf/a/b", "messages": [{"role": "user", "content": "hi"}]},
    CompletionInput: {"model": "@hf/a/b", "prompt": "hi"},
}
PARAMS = {
    ChatInput: (chat_params.CompletionCreateParamsNonStreaming, chat_params.CompletionCreateParamsStreaming),
    CompletionInput: (
        completion_params.CompletionCreateParamsNonStreaming,
        completion_params.CompletionCreateParamsStreaming,
    ),
}
REFUSED = [(kind, name) for kind in BODIES for name in kind.refused]
NO_EFFECT: Mapping[str, Any] = {
    "user": "ann",
    "safety_identifier": "x" * 64,
    "session_id": "s",
    "metadata": {"a": "b"},
    "store": True,
    "service_tier": "flex",
    "prompt_cache_key": "k",
    "prompt_cache_retention": "24h",
    "prompt_cache_options": {"mode": "explicit"},
    "prediction": {"type": "content", "content": "hi"},
    "include_reasoning": False,
    "spaces_between_special_tokens": False,
}


def known(kind: type[ChatInput | CompletionInput]) -> set[str]:
    return kind.model_fields.keys() | kind.refused.keys()


@pytest.mark.parametrize("kind", BODIES)
def test_every_field_of_openais_library_is_known(kind: type[ChatInput | CompletionInput]) -> None:
    fields = {name for params in PARAMS[kind] for name in get_type_hints(params)}
    assert len(fields) > 15
    assert fields - known(kind) == set()


@pytest.mark.parametrize(
    ("kind", "fields"), [(ChatInput, vllm_fields.CHAT), (CompletionInput, vllm_fields.COMPLETIONS)]
)
def test_every_field_of_vllm_is_known(kind: type[ChatInput | CompletionInput], fields: str) -> None:
    assert set(fields.split()) - known(kind) == set()


@pytest.mark.parametrize("kind", BODIES)
def test_no_field_is_both_taken_and_refused(kind: type[ChatInput | CompletionInput]) -> None:
    assert kind.model_fields.keys() & kind.refused.keys() == set()


def test_the_page_has_a_line_for_every_field() -> None:
    section = read("docs/openai.md").partition("## Fields")[2].partition("## Errors")[0]
    taken, without_effect, refused = re.split(r"### Without effect|### Rejected", section)

    def names(text: str) -> set[str]:
        return set(re.findall(r"`(\w+)`", text))

    rows = names("\n".join(re.findall(r"^\| ([^|]*) \|", taken, re.MULTILINE)))
    done = (known(ChatInput) | known(CompletionInput)) - CHAT.keys() - COMPLETIONS.keys() - NO_EFFECT.keys()
    assert done - rows == set()
    assert rows - known(ChatInput) - known(CompletionInput) - {"field"} == set()
    assert NO_EFFECT.keys() - names(without_effect) - {"service_tier"} == set()
    # One that a route refuses the other may take.
    assert (CHAT.keys() | COMPLETIONS.keys()) - rows - names(refused) == set()


@pytest.mark.parametrize(("kind", "name"), REFUSED)
def test_what_is_refused_is_named(kind: type[ChatInput | CompletionInput], name: str) -> None:
    with pytest.raises(FeatureUnavailable, match=f"^{name}: .{{20,}}"):
        parse(kind, {**BODIES[kind], name: "anything"})
    for value in (*kind.refused[name].but, None):
        parse(kind, {**BODIES[kind], name: value})


@pytest.mark.parametrize("name", ["bad_words", "chat_template_kwargs", "reasoning_effort"])
def test_it_is_refused_over_http(shared_server: LiveServer, name: str) -> None:
    response = shared_server.client.post(
        "/v1/chat/completions", json={**BODIES[ChatInput], "model": "@cf/fireside/echo", name: "low"}
    )
    check_openai_error(response, 400, 5100)
    assert response.json()["error"]["param"] == name


@pytest.mark.parametrize("name", NO_EFFECT)
def test_bookkeeping_changes_no_request(name: str) -> None:
    with_it = {name: NO_EFFECT[name]}
    for kind, body in BODIES.items():
        parsed, plain = parse(kind, {**body, **with_it}), parse(kind, body)
        make: Any = chat_choices if kind is ChatInput else completion_choices
        assert make(parsed, "@hf/a/b", "acc") == make(plain, "@hf/a/b", "acc")
    assert NO_EFFECT.keys() == Bookkeeping.model_fields.keys()
