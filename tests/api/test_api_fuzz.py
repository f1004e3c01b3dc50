"""Whatever JSON or bytes come, no answer is a 5xx and each has the one shape."""

import json
import string
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fireside.api.body import parse_object
from fireside.api.inputs import parse_input, to_request
from fireside.errors import RequestError
from fireside.serving.types import TextRequest
from support.live_server import LiveServer, check_error_body

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
