"""Bodies of every odd shape, over real HTTP: the right status, one error shape, nothing run."""

import gzip
import json
import zlib

import httpx
import pytest

from support.echo_service import AWQ, CONTEXT_LENGTH, LORA
from support.live_server import LiveServer, check_error

PROMPT = b'{"prompt": "hi"}'
LONGEST = 131_072


def post(server: LiveServer, body: bytes, **headers: str) -> httpx.Response:
    return server.client.post(server.run_path(), content=body, headers=headers)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" \r\n\t",
        b"\xef\xbb\xbf",
        b"null",
        b"[]",
        b'[{"prompt": "hi"}]',
        b'"prompt"',
        b"1",
        b"prompt=hi",
        b'{"prompt": "hi"',
        b'{"prompt": "hi',
        b'{"prompt": "hi"} {}',
        b"{'prompt': 'hi'}",
        b'{"prompt": "hi",}',
        b'{"prompt": "hi", "temperature": NaN}',
        b'{"prompt": "hi", "temperature": Infinity}',
        b'{"prompt": "hi", "temperature": -Infinity}',
        b'{"prompt": "a\x00b"}',
        b'{"prompt": "hi"}\x00',
        PROMPT.decode().encode("utf-16"),
        PROMPT.decode().encode("utf-32"),
        b"[" * 100_000 + b"]" * 100_000,
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        b'{"prompt": "hi", "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ],
    ids=lambda body: repr(body[:40]),
)
def test_refuses_what_is_no_json_object(server: LiveServer, body: bytes) -> None:
    check_error(post(server, body), 400, 3003)
    assert server.service.requests == []


@pytest.mark.parametrize(
    "body",
    [
        b'{"prompt": "\xff\xfe"}',
        b'{"prompt": "\xc3"}',
        b'{"prompt": "\xed\xa0\x80"}',
        b'{"prompt": "a \\ud83d b"}',
        b'{"prompt": "\\ude00\\ud83d"}',
        b'{"prompt": "hi", "x": {"\\ud83d": 1}}',
        b'{"prompt": "hi", "temperature": 1e999}',
    ],
)
def test_refuses_text_and_numbers_that_cannot_be(server: LiveServer, body: bytes) -> None:
    check_error(post(server, body), 400, 5004)
    assert server.service.requests == []


@pytest.mark.parametrize(
    ("body", "prompt"),
    [
        (b"\xef\xbb\xbf" + PROMPT, "hi"),
        (b"\r\n " + PROMPT + b"\n", "hi"),
        (b'{"prompt": "first", "prompt": "last"}', "last"),
        (b'{"prompt": "a\\u0000b"}', "a\x00b"),
        (b'{"prompt": "\\ud83d\\ude00"}', "\N{GRINNING FACE}"),
        ('{"prompt": "Grüße \N{GRINNING FACE}"}'.encode(), "Grüße \N{GRINNING FACE}"),
        (b'{"prompt": "hi", "x": ' + b"[" * 200 + b"]" * 200 + b"}", "hi"),
        (b'{"prompt": "hi", "messages": null, "x": 123456789012345678901234567890}', "hi"),
    ],
)
def test_takes_what_is_odd_but_sound(server: LiveServer, body: bytes, prompt: str) -> None:
    assert post(server, body).status_code == 200
    assert [request.prompt for request in server.service.requests] == [prompt]


@pytest.mark.parametrize("coding", ["gzip", "x-gzip", "GZIP", "identity"])
def test_takes_gzip_bodies(shared_server: LiveServer, coding: str) -> None:
    body = PROMPT if coding == "identity" else gzip.compress(PROMPT)
    response = post(shared_server, body, **{"content-encoding": coding})
    assert response.json()["result"]["response"] == "hi"


@pytest.mark.parametrize(
    ("body", "coding", "status", "code"),
    [
        (PROMPT, "gzip", 400, 3003),
        (gzip.compress(PROMPT)[:-4], "gzip", 400, 3003),
        (gzip.compress(PROMPT) + b"more", "gzip", 400, 3003),
        (b"", "gzip", 400, 3003),
        (gzip.compress(PROMPT), "identity", 400, 3003),
        (zlib.compress(PROMPT), "deflate", 400, 5100),
        (PROMPT, "br", 400, 5100),
        (gzip.compress(gzip.compress(PROMPT)), "gzip, gzip", 400, 5100),
        (gzip.compress(b" " * 100_000_000), "gzip", 413, 3006),
    ],
    ids=["plain", "cut", "tail", "empty", "undeclared", "deflate", "br", "twice", "bomb"],
)
def test_refuses_bad_codings(server: LiveServer, body: bytes, coding: str, status: int, code: int) -> None:
    check_error(post(server, body, **{"content-encoding": coding}), status, code)
    assert server.service.requests == []


@pytest.mark.parametrize("length", [1, LONGEST - 1, LONGEST])
@pytest.mark.parametrize("character", ["a", "é", "\N{GRINNING FACE}"])
def test_takes_prompts_up_to_the_limit_in_characters(server: LiveServer, length: int, character: str) -> None:
    response = server.run({"prompt": character * length})
    assert response.json()["result"]["response"] == character * length


@pytest.mark.parametrize("length", [0, LONGEST + 1])
def test_refuses_prompts_beyond_the_limits(server: LiveServer, length: int) -> None:
    message = check_error(server.run({"prompt": "a" * length}), 400, 5006)
    assert message.startswith("prompt: ")
    assert ("1 char" if length == 0 else "131072 char") in message
    as_message = {"messages": [{"role": "user", "content": "a" * length}]}
    if length == 0:
        assert server.run(as_message).status_code == 200
    else:
        assert check_error(server.run(as_message), 400, 5006).startswith("messages.0.content: ")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("max_tokens", 1),
        ("max_tokens", 256.0),
        ("max_tokens", CONTEXT_LENGTH - 1),
        ("temperature", 0),
        ("temperature", -0.0),
        ("temperature", 5),
        ("temperature", 5.0),
        ("top_p", 0),
        ("top_p", 0.001),
        ("top_p", 2),
        ("top_k", 1),
        ("top_k", 50),
        ("seed", 1),
        ("seed", 9_999_999_999),
        ("repetition_penalty", 0),
        ("repetition_penalty", 2),
        ("frequency_penalty", -2),
        ("frequency_penalty", 2),
        ("presence_penalty", -2),
        ("presence_penalty", 2),
        ("raw", True),
        ("raw", False),
        ("raw", "true"),
        ("raw", "false"),
        ("stream", False),
        ("options", {}),
        ("options", {"rejectIfBusy": False, "other": 1}),
        *(
            (field, None)
            for field in ("max_tokens", "temperature", "top_k", "seed", "raw", "stream", "lora", "options")
        ),
        ("functions", []),
        ("tools", []),
        ("no_such_field", {"a": [1]}),
    ],
)
def test_takes_every_field_up_to_its_bounds(shared_server: LiveServer, field: str, value: object) -> None:
    assert shared_server.run({"prompt": "hi", field: value}).status_code == 200
    assert shared_server.run({"messages": [{"role": "user", "content": "hi"}], field: value}).status_code == 200


@pytest.mark.parametrize(
    ("field", "value", "bound"),
    [
        ("max_tokens", 0, "greater than or equal to 1"),
        ("max_tokens", -1, "greater than or equal to 1"),
        ("max_tokens", 2**31, "less than or equal to 2147483647"),
        ("max_tokens", 1e300, "less than or equal to 2147483647"),
        ("max_tokens", 1.5, "valid integer"),
        ("max_tokens", "5", "valid integer"),
        ("max_tokens", True, "valid integer"),
        ("max_tokens", [5], "valid integer"),
        ("temperature", -0.1, "greater than or equal to 0"),
        ("temperature", 5.01, "less than or equal to 5"),
        ("temperature", "0.5", "valid number"),
        ("temperature", True, "valid number"),
        ("top_p", -0.01, "greater than or equal to 0"),
        ("top_p", 2.01, "less than or equal to 2"),
        ("top_k", 0, "greater than or equal to 1"),
        ("top_k", 51, "less than or equal to 50"),
        ("top_k", 1.5, "valid integer"),
        ("seed", 0, "greater than or equal to 1"),
        ("seed", 10_000_000_000, "less than or equal to 9999999999"),
        ("seed", -1, "greater than or equal to 1"),
        ("repetition_penalty", -0.1, "greater than or equal to 0"),
        ("repetition_penalty", 2.1, "less than or equal to 2"),
        ("frequency_penalty", -2.1, "greater than or equal to -2"),
        ("frequency_penalty", 2.1, "less than or equal to 2"),
        ("presence_penalty", -2.1, "greater than or equal to -2"),
        ("presence_penalty", 2.1, "less than or equal to 2"),
        ("raw", "yes", "valid boolean"),
        ("raw", 1, "valid boolean"),
        ("stream", "true", "valid boolean"),
        ("stream", 1, "valid boolean"),
        ("lora", 5, "valid string"),
        ("options", 5, "valid dictionary"),
    ],
)
def test_refuses_every_field_beyond_its_bounds(server: LiveServer, field: str, value: object, bound: str) -> None:
    message = check_error(server.run({"prompt": "hi", field: value}), 400, 5006)
    assert message.startswith(f"{field}: should be a valid" if "valid" in bound else f"{field}: should be {bound}")
    assert bound in message
    assert server.service.requests == []


def test_refuses_bad_fields_inside_of_others(shared_server: LiveServer) -> None:
    message = check_error(shared_server.run({"prompt": "hi", "options": {"rejectIfBusy": 3}}), 400, 5006)
    assert message == "options.rejectIfBusy: should be a valid boolean"
    message = check_error(shared_server.run({"prompt": "hi", "response_format": {"type": "yaml"}}), 400, 5006)
    assert message == "response_format.type: should be 'text', 'json_object', 'json_schema' or 'regex'"


def test_names_every_wrong_field_but_not_without_end(shared_server: LiveServer) -> None:
    message = check_error(shared_server.run({"prompt": "", "top_k": 51, "seed": 0, "stream": "x"}), 400, 5006)
    assert [line.partition(":")[0] for line in message.split("; ")] == ["stream", "top_k", "seed", "prompt"]
    many = {"messages": [{"role": "nobody", "content": 5}] * 5000}
    assert len(check_error(shared_server.run(many), 400, 5006)) < 1000


@pytest.mark.parametrize("body", [{}, {"prompt": None}, {"messages": None}, {"raw": True}, {"inputs": {"prompt": "x"}}])
def test_refuses_neither_prompt_nor_messages(server: LiveServer, body: dict[str, object]) -> None:
    assert "one of them is required" in check_error(server.run(body), 400, 5006)


def test_refuses_both_prompt_and_messages(server: LiveServer) -> None:
    body = {"prompt": "hi", "messages": [{"role": "user", "content": "hi"}]}
    assert "not both" in check_error(server.run(body), 400, 5006)
    assert server.service.requests == []


@pytest.mark.parametrize(
    ("prompt", "given"),
    [([1, 2], "token ids"), ([[1], [2]], "token ids"), (["a", "b"], "a list of texts"), ([], "a list of texts")],
)
def test_names_a_prompt_that_is_another_routes(server: LiveServer, prompt: object, given: str) -> None:
    expected = f"prompt: should be one text, got {given}: OpenAI's route, /v1/completions, takes them"
    assert check_error(server.run({"prompt": prompt}), 400, 5006) == expected
    assert server.service.requests == []


@pytest.mark.parametrize("prompt", [5, {"text": "hi"}, True])
def test_refuses_a_prompt_that_is_no_string(server: LiveServer, prompt: object) -> None:
    assert check_error(server.run({"prompt": prompt}), 400, 5006) == "prompt: should be a valid string"


@pytest.mark.parametrize(
    ("messages", "where"),
    [
        ([], "messages: "),
        ("hi", "messages: "),
        ({"role": "user", "content": "hi"}, "messages: "),
        (["hi"], "messages.0: "),
        ([None], "messages.0: "),
        ([{"role": "user"}], "messages.0.content: "),
        ([{"content": "hi"}], "messages.0.role: "),
        ([{"role": "nobody", "content": "hi"}], "messages.0.role: "),
        ([{"role": "User", "content": "hi"}], "messages.0.role: "),
        ([{"role": 1, "content": "hi"}], "messages.0.role: "),
        ([{"role": "user", "content": "hi"}, {"role": "user", "content": 5}], "messages.1.content: "),
        ([{"role": "user", "content": None}], "messages.0: content is null"),
        ([{"role": "user", "content": {"type": "text", "text": "hi"}}], "messages.0.content: "),
        ([{"role": "user", "content": ["hi"]}], "messages.0.content: "),
        ([{"role": "user", "content": [{"type": "text"}]}], "messages.0.content: "),
        ([{"role": "user", "content": [{"type": "text", "text": 5}]}], "messages.0.content: "),
        ([{"role": "user", "content": [{"type": "image_url", "image_url": "http://x/"}]}], "messages.0.content: "),
        ([{"role": "user", "content": [{"type": "text", "text": "a" * LONGEST}] * 2}], "messages.0.content: "),
    ],
)
def test_refuses_bad_messages(server: LiveServer, messages: object, where: str) -> None:
    assert check_error(server.run({"messages": messages}), 400, 5006).startswith(where)
    assert server.service.requests == []


@pytest.mark.parametrize(
    "roles",
    [
        ["system"],
        ["assistant"],
        ["tool"],
        ["user", "user"],
        ["assistant", "user", "system", "tool", "user", "assistant"],
    ],
)
def test_passes_odd_orders_of_roles_on(server: LiveServer, roles: list[str]) -> None:
    messages = [{"role": role, "content": role} for role in roles]
    assert server.run({"messages": messages}).status_code == 200
    [request] = server.service.requests
    assert request.messages is not None
    assert [turn.role for turn in request.messages] == roles


def test_takes_ten_thousand_messages(server: LiveServer) -> None:
    messages = [{"role": "user", "content": f"turn {number}"} for number in range(10_000)]
    assert server.run({"messages": messages}).json()["result"]["response"] == "turn 9999"
    [request] = server.service.requests
    assert request.messages is not None
    assert len(request.messages) == 10_000


def test_prompt_and_answer_beyond_the_context_are_an_error_with_the_numbers(fresh_server: LiveServer) -> None:
    server = fresh_server
    for max_tokens, stream in ((CONTEXT_LENGTH, False), (10**9, True), (10**9, False)):
        response = server.run({"prompt": "one two", "max_tokens": max_tokens, "stream": stream})
        message = check_error(response, 400, 5021)
        for number in (2, max_tokens, max_tokens + 2, CONTEXT_LENGTH):
            assert f" {number} " in message.replace(".", " ").replace(":", " ")
    assert server.store.usage() == []


@pytest.mark.parametrize("lora", ["00000000-0000-0000-0000-000000000", "", "../../etc/passwd", "é" * 100_000])
def test_lora_gets_a_clear_error(server: LiveServer, lora: str) -> None:
    body = {"prompt": "hi", "lora": lora}
    message = check_error(server.client.post(server.run_path(AWQ), json=body), 405, 5005)
    assert AWQ in message
    assert "does not support LoRA" in message
    message = check_error(server.client.post(server.run_path(LORA), json=body), 404, 3037)
    assert "no fine-tune" in message
    assert len(message) < 300
    assert server.service.requests == []


FUNCTIONS = [{"name": "f", "code": "return 1"}]
TOOL = {"name": "f", "description": "does", "parameters": {"type": "object"}}


def test_what_comes_later_is_refused_by_name(server: LiveServer) -> None:
    body = {"messages": [{"role": "user", "content": "hi"}], "functions": FUNCTIONS}
    assert "functions" in check_error(server.run(body), 400, 5100)
    assert server.service.requests == []


@pytest.mark.parametrize(
    ("field", "value", "where"),
    [
        ("functions", "f", "functions: "),
        ("functions", [{"name": "f"}], "functions.0.code: "),
        ("functions", [{"code": "f"}], "functions.0.name: "),
        ("functions", [{"name": "f", "code": 5}], "functions.0.code: "),
        ("tools", [{"type": "function"}], "tools.0.name: "),
        ("tools", [{"name": 5}], "tools.0.name: "),
        ("tools", [{"name": "f", "parameters": "x"}], "tools.0.parameters: "),
        ("tools", [{"name": ""}], "tools.0.name: "),
        ("tools", [{"name": f"f{number}"} for number in range(129)], "tools: "),
        ("tools", [TOOL, TOOL], "tools: two have the name 'f'"),
        ("tool_choice", "always", "tool_choice"),
        ("tool_choice", "required", "tool_choice: there are no tools"),
        ("tool_choice", {"type": "function", "function": {"name": "g"}}, "tool_choice: tools has no 'g'"),
        ("response_format", {"type": "yaml"}, "response_format.type: "),
        ("response_format", {"type": "json_schema"}, "response_format: json_schema is required"),
        ("response_format", {"type": "json_schema", "json_schema": "x"}, "response_format.json_schema"),
        ("response_format", {"type": "regex"}, "response_format: regex is required"),
        ("response_format", {"type": "regex", "regex": ""}, "response_format.regex: "),
    ],
)
def test_fields_inside_of_others_are_checked_by_name(
    shared_server: LiveServer, field: str, value: object, where: str
) -> None:
    body = {"messages": [{"role": "user", "content": "hi"}], field: value}
    assert check_error(shared_server.run(body), 400, 5006).startswith(where)


@pytest.mark.parametrize(("field", "value"), [("functions", FUNCTIONS), ("tools", [TOOL])])
def test_functions_do_not_go_with_a_prompt(shared_server: LiveServer, field: str, value: object) -> None:
    message = check_error(shared_server.run({"prompt": "hi", field: value}), 400, 5006)
    assert message == f"{field}: goes with messages, not with prompt"


def test_errors_do_not_repeat_what_was_sent(shared_server: LiveServer) -> None:
    secret = "hunter2"
    for body in ({"prompt": 5, "top_k": secret}, {"messages": [{"role": secret, "content": "x"}]}):
        assert secret not in json.dumps(shared_server.run(body).json())
