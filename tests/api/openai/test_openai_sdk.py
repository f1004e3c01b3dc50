"""OpenAI's own library for Python against a server as users start it: echo, whose answers are known, to the letter."""

from collections.abc import Iterator
from typing import Any

import pytest
from openai import BadRequestError, OpenAI, RateLimitError

from support.served import ECHO, Served, served

TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
CERTAIN, IMPOSSIBLE = 0.0, -9999.0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("served"), tokens_per_second=0) as running:
        yield running


@pytest.fixture(scope="module")
def client(server: Served) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{server.url}/v1", api_key=server.token, max_retries=0) as client:
        yield client


def chat(client: OpenAI, text: str, **fields: Any) -> Any:
    return client.chat.completions.create(model=ECHO, messages=[{"role": "user", "content": text}], **fields)


def complete(client: OpenAI, prompt: Any, **fields: Any) -> Any:
    return client.completions.create(model=ECHO, prompt=prompt, **fields)


def said(choice: Any) -> tuple[int, str, str]:
    return choice.index, choice.text, choice.finish_reason


def test_several_prompts_of_each_kind(client: OpenAI) -> None:
    expected = [(0, "one", "stop"), (1, "two", "stop")]
    for prompt in (["one", "two"], [list(b"one"), list(b"two")]):
        answer = complete(client, prompt)
        assert [said(choice) for choice in answer.choices] == expected
        assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (6, 6)
    assert [said(choice) for choice in complete(client, list(b"one")).choices] == expected[:1]


def test_several_answers_have_seeds_of_their_own(client: OpenAI) -> None:
    prompts = ["a b c d e f", "g h i j k l"]
    several = complete(client, prompts, n=3, seed=7)
    assert [choice.index for choice in several.choices] == list(range(6))
    assert several.usage.prompt_tokens == 22
    assert several.usage.completion_tokens == 66
    alone = [complete(client, prompt, seed=7 + place).choices[0].text for prompt in prompts for place in range(3)]
    assert [choice.text for choice in several.choices] == alone
    assert len(set(alone)) == 6


def test_several_answers_of_a_chat(client: OpenAI) -> None:
    several = chat(client, "a b c d e f", n=4, seed=7)
    assert [choice.index for choice in several.choices] == [0, 1, 2, 3]
    assert len({choice.message.content for choice in several.choices}) == 4
    one = chat(client, "a b c d e f", seed=7).choices[0]
    assert several.choices[0].message.content == one.message.content


@pytest.mark.parametrize("route", [chat, complete])
def test_streams_of_several_answers(client: OpenAI, route: Any) -> None:
    whole = route(client, "a b c d e f", n=3, seed=7)
    texts, ends = ["", "", ""], []
    usage = None
    for chunk in route(client, "a b c d e f", n=3, seed=7, stream=True, stream_options={"include_usage": True}):
        for choice in chunk.choices:
            texts[choice.index] += (choice.text if route is complete else choice.delta.content) or ""
            ends += [choice.index] if choice.finish_reason else []
        usage = chunk.usage or usage
    assert texts == [choice.text if route is complete else choice.message.content for choice in whole.choices]
    assert sorted(ends) == [0, 1, 2]
    assert usage == whole.usage


def test_echo_tells_the_prompt_first(client: OpenAI) -> None:
    assert complete(client, "ab ", echo=True).choices[0].text == "ab ab "
    assert complete(client, [*b"ab", 257], echo=True, max_tokens=1).choices[0].text == "ab</s>a"
    streamed = "".join(chunk.choices[0].text for chunk in complete(client, "ab ", echo=True, stream=True))
    assert streamed == "ab ab "


def test_a_prompt_alone_is_scored(client: OpenAI) -> None:
    answer = complete(client, "aü", echo=True, max_tokens=0, logprobs=1)
    [choice] = answer.choices
    assert said(choice) == (0, "aü", "length")
    assert choice.logprobs.tokens == ["a", "bytes:\\xc3", "bytes:\\xbc"]
    assert choice.logprobs.token_logprobs == [None, CERTAIN, CERTAIN]
    assert choice.logprobs.top_logprobs == [None, {"bytes:\\xc3": CERTAIN}, {"bytes:\\xbc": CERTAIN}]
    assert choice.logprobs.text_offset == [0, 1, 1]
    assert answer.usage.completion_tokens == 0


@pytest.mark.parametrize("stream", [False, True])
def test_logprobs_of_completions(client: OpenAI, stream: bool) -> None:
    answer = complete(client, "ab", echo=True, logprobs=2, stream=stream)
    told: dict[str, list[Any]] = {"tokens": [], "token_logprobs": [], "text_offset": [], "top_logprobs": []}
    for choice in [chunk.choices[0] for chunk in answer] if stream else answer.choices:
        for name, values in told.items():
            values += getattr(choice.logprobs, name)
    assert told["tokens"] == ["a", "b", "a", "b"]
    assert told["text_offset"] == [0, 1, 2, 3]
    assert told["token_logprobs"] == [None, *[CERTAIN] * 3]
    assert told["top_logprobs"][1] == {"b": CERTAIN, "\0": IMPOSSIBLE}


@pytest.mark.parametrize("stream", [False, True])
def test_logprobs_of_chats(client: OpenAI, stream: bool) -> None:
    answer = chat(client, "aü", logprobs=True, top_logprobs=2, stream=stream)
    told: list[Any] = []
    for choice in [chunk.choices[0] for chunk in answer] if stream else answer.choices:
        told += choice.logprobs.content if choice.logprobs else []
    assert [(one.token, one.bytes, one.logprob) for one in told] == [
        ("a", [97], CERTAIN),
        ("\\xc3", [0xC3], CERTAIN),
        ("\\xbc", [0xBC], CERTAIN),
    ]
    assert [(one.token, one.logprob) for one in told[0].top_logprobs] == [("a", CERTAIN), ("\0", IMPOSSIBLE)]
    assert chat(client, "a").choices[0].logprobs is None


def test_tokens_by_their_ids(client: OpenAI) -> None:
    fields = {"extra_body": {"return_tokens_as_token_ids": True, "return_token_ids": True}}
    answer = chat(client, "ab", logprobs=True, **fields)
    assert [one.token for one in answer.choices[0].logprobs.content] == ["token_id:97", "token_id:98"]
    assert (answer.choices[0].token_ids, answer.prompt_token_ids) == ([97, 98, 257], [97, 98])
    [first, *others] = complete(client, "ab", stream=True, **fields)
    assert first.choices[0].prompt_token_ids == [97, 98]
    assert [token for chunk in (first, *others) for token in chunk.choices[0].token_ids] == [97, 98, 257]
    assert all(not hasattr(chunk.choices[0], "prompt_token_ids") for chunk in others)


def test_the_best_of_several(client: OpenAI) -> None:
    answer = complete(client, "ab", best_of=3, n=2)
    assert [said(choice) for choice in answer.choices] == [(0, "ab", "stop"), (1, "ab", "stop")]
    assert answer.choices[0].logprobs is None, "they were not asked for"
    assert answer.usage.completion_tokens == 6


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"stop_token_ids": [ord("c")]}, "ab"),
        ({"stop_token_ids": [ord("c")], "include_stop_str_in_output": True}, "abc"),
        ({"stop": ["bc"]}, "a"),
        ({"stop": ["bc"], "include_stop_str_in_output": True}, "abc"),
        ({"stop": ["bc"], "min_tokens": 3}, "abcd"),
        ({"min_tokens": 6}, "abcdab"),
        ({"ignore_eos": True, "max_tokens": 7}, "abcdabc"),
        ({"ignore_eos": True, "stop_token_ids": [ord("d")]}, "abc"),
        ({"guided_choice": ["abd", "xyz"]}, "abd"),
        ({"guided_regex": "[a-d]{2,}", "min_tokens": 5}, "abcda"),
        ({"guided_regex": "[a-d]{2}", "min_tokens": 5, "ignore_eos": True}, "ab"),
        ({"guided_regex": "[a-c]{2}[0-9]"}, "ab0"),
        ({"guided_grammar": 'start: "ab" /[x-z]/'}, "abx"),
        ({"guided_json": '{"type": "object"}'}, "{}"),
        ({"structured_outputs": {"choice": ["abd", "xyz"]}}, "abd"),
        ({"structured_outputs": {"regex": "a+b"}}, "ab"),
        ({"structured_outputs": {"grammar": 'start: "a" | "b"'}}, "a"),
        ({"structured_outputs": {"json": {"const": 5}}}, "5"),
        ({"structured_outputs": {"json_object": True}}, "{}"),
        ({"response_format": {"type": "regex", "regex": "ab?"}}, "ab"),
        ({"skip_special_tokens": False, "include_stop_str_in_output": True}, "abcd</s>"),
    ],
    ids=str,
)
def test_where_an_answer_ends_and_what_it_looks_like(client: OpenAI, fields: dict[str, Any], text: str) -> None:
    assert chat(client, "abcd", extra_body=fields).choices[0].message.content == text
    assert complete(client, "abcd", extra_body={"max_tokens": 99, **fields}).choices[0].text == text


@pytest.mark.parametrize("stream", [False, True])
def test_json_that_is_cut_is_told_as_far_as_it_came(client: OpenAI, stream: bool) -> None:
    fields: dict[str, Any] = {"max_tokens": 4, "response_format": {"type": "json_object"}, "stream": stream}
    answer = chat(client, '{"a": 1}', **fields)
    if not stream:
        assert (answer.choices[0].message.content, answer.choices[0].finish_reason) == ('{"a"', "length")
        return
    chunks = [chunk.choices[0] for chunk in answer]
    assert "".join(chunk.delta.content or "" for chunk in chunks) == '{"a"'
    assert [chunk.finish_reason for chunk in chunks if chunk.finish_reason] == ["length"]


CALL = '<tool_call>\n{"name": "weather", "arguments": {"city": "Rome"}}\n</tool_call>'


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("most", range(1, len(CALL)))
def test_a_call_that_is_cut_is_told_as_far_as_it_came(client: OpenAI, most: int, stream: bool) -> None:
    fields: dict[str, Any] = {"tools": [TOOL], "tool_choice": "required", "max_tokens": most, "stream": stream}
    answer = chat(client, CALL, **fields)
    if stream:
        chunks = [chunk.choices[0] for chunk in answer]
        [finish] = [chunk.finish_reason for chunk in chunks if chunk.finish_reason]
        calls = [call for chunk in chunks for call in chunk.delta.tool_calls or []]
        text = "".join(chunk.delta.content or "" for chunk in chunks)
    else:
        [choice] = answer.choices
        finish, calls, text = choice.finish_reason, choice.message.tool_calls or [], choice.message.content or ""
    assert (finish, text) == ("length", "")
    begun = CALL[:most].partition('"arguments": ')[2]
    assert bool(calls) == ('"arguments": ' in CALL[:most])
    if calls:
        [call] = calls
        assert call.function.name == "weather"
        assert call.function.arguments == begun[: len('{"city": "Rome"}')]


def test_a_whole_call_before_one_that_is_cut(client: OpenAI) -> None:
    second = CALL.replace("Rome", "Oslo")
    both = f"{CALL}\n{second}"
    answer = chat(client, both, tools=[TOOL], tool_choice="required", max_tokens=len(both) - 5)
    [choice] = answer.choices
    assert choice.finish_reason == "length"
    assert [call.function.arguments for call in choice.message.tool_calls] == ['{"city": "Rome"}', '{"city": "Oslo"}']


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"logit_bias": {"258": 1}}, "logit_bias"),
        ({"extra_body": {"stop_token_ids": [258]}}, "stop_token_ids"),
        ({"extra_body": {"allowed_token_ids": [1, 300]}}, "allowed_token_ids"),
        ({"extra_body": {"no_such_field": 1}}, "no_such_field"),
        ({"reasoning_effort": "high"}, "reasoning_effort"),
        ({"n": 1000}, "n"),
        ({"extra_body": {"guided_grammar": 'root ::= "a"'}}, None),
        ({"extra_body": {"guided_grammar": "start: missing"}}, None),
        ({"extra_body": {"guided_grammar": '%llguidance {"no_forcing": false}\nstart: "a"'}}, None),
        ({"extra_body": {"guided_grammar": "start: body\n// mine\nbody: %json {\n"}}, None),
        ({"extra_body": {"guided_regex": "("}}, None),
    ],
)
def test_bad_values_are_named(client: OpenAI, fields: dict[str, Any], param: str | None) -> None:
    with pytest.raises(BadRequestError) as raised:
        chat(client, "hi", **fields)
    assert raised.value.param == param
    assert len(raised.value.message) < 400


def test_a_token_that_there_is_not(client: OpenAI) -> None:
    with pytest.raises(BadRequestError, match=r"prompt: there is no token 258; ids go from 0 to 257"):
        complete(client, [1, 258])


def test_more_logprobs_than_one_answer_holds(client: OpenAI) -> None:
    prompts = ["x" * 1000] * 16
    fields: dict[str, Any] = {"echo": True, "max_tokens": 0, "logprobs": 20}
    with pytest.raises(BadRequestError, match="logprobs: the answer has more than 262144") as raised:
        complete(client, prompts, **fields)
    assert raised.value.param == "logprobs"
    tokens = [0] * len(prompts)
    for chunk in complete(client, prompts, stream=True, **fields):
        for choice in chunk.choices:
            tokens[choice.index] += len(choice.logprobs.tokens)
    assert tokens == [1000] * len(prompts)


def test_what_the_books_want(client: OpenAI) -> None:
    answer = chat(
        client,
        "hi",
        user="ann",
        metadata={"a": "b"},
        store=True,
        service_tier="flex",
        prompt_cache_key="k",
        safety_identifier="s",
        extra_body={"request_id": "mine.1"},
    )
    assert (answer.id, answer.service_tier) == ("chatcmpl-mine.1", "default")
    assert chat(client, "hi").service_tier is None


def test_each_answer_takes_a_place(server: Served, client: OpenAI) -> None:
    """The slow model has one place for an account, and here nobody may wait."""
    fields: dict[str, Any] = {"model": server.slow, "max_tokens": 5}
    assert client.completions.create(prompt="hello", **fields).choices[0].text == "hello"
    long = fields | {"max_tokens": 400}  # so that the first is not done before the second comes
    with pytest.raises(RateLimitError, match="is at capacity"):
        client.completions.create(prompt=["hello" * 80] * 2, **long)
    assert client.completions.create(prompt="hello", **fields).choices[0].text == "hello"


def test_a_turn_that_is_continued(client: OpenAI) -> None:
    turns: list[Any] = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "ab"}]
    for fields in ({}, {"continue_final_message": True, "add_generation_prompt": False}):
        answer = client.chat.completions.create(model=ECHO, messages=turns, extra_body=fields)
        assert answer.choices[0].message.content == "hi\nab"
    for field, value in (("continue_final_message", False), ("add_generation_prompt", True)):
        with pytest.raises(BadRequestError, match="is always continued"):
            client.chat.completions.create(model=ECHO, messages=turns, extra_body={field: value})
