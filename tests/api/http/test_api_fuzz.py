"""Whatever JSON or bytes come, no answer is a 5xx and each has the one shape."""

import json
import string
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fireside.api.http.body import parse_object
from fireside.api.openai.fields import ChatInput, CompletionInput, parse
from fireside.api.openai.requests import completion_choices
from fireside.api.schema.run_input import parse_input, to_request
from fireside.errors import RequestError
from fireside.serving.types import TextRequest
from support.live_server import LiveServer, check_error_body, check_openai_error

FIELDS = [
    "prompt",
    "messages",
    "raw",
    "stream",
    "max_tokens",
    "temperature",
    "top_p",
    "top_k",
    "seed",
    "repetition_penalty",
    "frequency_penalty",
    "presence_penalty",
    "lora",
    "functions",
    "tools",
    "response_format",
    "options",
]
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-2, 60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
    | st.sampled_from(["true", "false", "text", "function", "json_object", "user", "system", "é\U0001f600"])
)
KEYS = st.sampled_from(["role", "content", "type", "text", "name", "code", "function", "rejectIfBusy", "tool_calls"])
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS | st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
TURNS = st.lists(
    st.fixed_dictionaries({"role": st.sampled_from(["user", "system", "assistant", "tool"]), "content": st.text()}),
    min_size=1,
    max_size=4,
)
BODIES = (
    st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=6)
    | st.fixed_dictionaries({"prompt": st.text(min_size=1)}, optional=dict.fromkeys(FIELDS[2:], JSON))
    | st.fixed_dictionaries({"messages": TURNS}, optional=dict.fromkeys(FIELDS[2:], JSON))
)
QUICK = settings(
    max_examples=30,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


@given(body=BODIES | JSON)
@QUICK
def test_no_json_is_an_internal_error(shared_server: LiveServer, body: Any) -> None:
    raw = json.dumps(body).encode()
    response = shared_server.client.post(shared_server.run_path(), content=raw)
    assert response.status_code < 500
    if response.status_code == 200:
        assert response.headers["content-type"] in ("application/json", "text/event-stream")
    else:
        check_error_body(response.content, response.json()["errors"][0]["code"])


FOR_MODEL = {"model": st.just("@cf/fireside/echo"), "messages": TURNS | JSON, "prompt": st.text() | JSON}
OPENAI = {
    kind: st.fixed_dictionaries(
        {"model": FOR_MODEL["model"], needed: FOR_MODEL[needed]},
        optional={name: JSON for name in (*kind.model_fields, *kind.refused) if name not in FOR_MODEL},
    )
    for kind, needed in ((ChatInput, "messages"), (CompletionInput, "prompt"))
}


@given(chat=OPENAI[ChatInput], completion=OPENAI[CompletionInput])
@settings(QUICK, max_examples=60)
def test_no_fields_of_openais_are_an_internal_error(
    shared_server: LiveServer, chat: dict[str, Any], completion: dict[str, Any]
) -> None:
    for path, body in (("chat/completions", chat), ("completions", completion)):
        response = shared_server.client.post(f"/v1/{path}", content=json.dumps(body).encode())
        assert response.status_code < 500, body
        if response.status_code != 200:
            check_openai_error(response, response.status_code, response.json()["errors"][0]["code"])


SMALL = st.none() | st.integers(-3, 30) | st.floats(-3, 3) | st.booleans()
NUMBERS = ("n", "best_of", "logprobs", "top_logprobs", "max_tokens", "min_tokens", "seed", "top_k", "min_p", "echo")


@given(
    prompt=st.lists(st.text(min_size=1) | st.lists(st.integers(0, 99), min_size=1), min_size=1, max_size=140),
    fields=st.dictionaries(st.sampled_from(NUMBERS), SMALL),
)
@settings(QUICK, max_examples=100)
def test_answers_are_within_bounds_or_refused(prompt: list[Any], fields: dict[str, Any]) -> None:
    try:
        parsed = parse(CompletionInput, {"model": "@cf/fireside/echo", "prompt": prompt, **fields})
    except RequestError:
        return
    choices = completion_choices(parsed, parsed.model, "acc")
    assert 1 <= len(choices.requests) == choices.each * len(prompt) <= 128
    for request in choices.requests:
        assert [request.prompt, request.prompt_ids].count(None) == 1
        assert request.scores is None or 0 <= request.scores <= 20
        assert request.sampling.seed is None or 0 <= request.sampling.seed < 2**63
        assert request.max_tokens >= request.sampling.min_tokens


@given(body=st.binary(max_size=200) | st.text(string.printable, max_size=100).map(str.encode))
@QUICK
def test_no_bytes_are_an_internal_error(shared_server: LiveServer, body: bytes) -> None:
    response = shared_server.client.post(shared_server.run_path(), content=body)
    assert 400 <= response.status_code < 500
    check_error_body(response.content, response.json()["errors"][0]["code"])


@given(tail=st.binary(max_size=60), cut=st.integers(0, 200))
@QUICK
def test_no_request_line_breaks_the_server(shared_server: LiveServer, tail: bytes, cut: int) -> None:
    request = shared_server.post_bytes(b'{"prompt": "hi"}', "Connection: close")[:cut] + tail + b"\r\n\r\n\r\n"
    with shared_server.connect() as sock:
        sock.sendall(request)
    assert shared_server.client.get("/health").status_code == 200


@given(body=BODIES)
@settings(QUICK, max_examples=100)
def test_a_body_is_a_request_within_bounds_or_refused(body: dict[str, Any]) -> None:
    try:
        parsed = parse_input(parse_object(json.dumps(body).encode()))
    except RequestError:
        return
    request = to_request("@cf/fireside/echo", parsed, "acc")
    assert isinstance(request, TextRequest)
    assert (request.prompt is None) != (request.messages is None)
    sampling = request.sampling
    assert 1 <= request.max_tokens < 2**31
    assert 0 <= sampling.temperature <= 5
    assert 0 <= sampling.top_p <= 1
    assert 0 <= sampling.top_k <= 50
    assert sampling.seed is None or 1 <= sampling.seed <= 9_999_999_999
    assert 0 < sampling.repetition_penalty <= 2
    assert -2 <= sampling.frequency_penalty <= 2
    assert -2 <= sampling.presence_penalty <= 2
