"""Workers in miniflare: with Cloudflare's own binding, and with the class that stands in for it."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from support.adapters import CONFIG, WEIGHTS, make_adapter
from support.compatibility import npm_version
from support.echo_service import AWQ, LORA, PLAIN
from support.live_server import wait_until
from support.workers import Workers, running_workers

QUESTION = "What is the origin of the phrase Hello, World"
TUNE = "00000000-0000-0000-0000-000000000"

Proven = Callable[[str, str, str, str], None]
WAYS = {
    "remote": "`env.AI`, with miniflare's remote binding",
    "wrapped": "`env.AI`, with miniflare's wrapped binding",
    "project": "`env.AI`, after `fireside worker init`",
    "direct": "the class `Ai` of fireside-worker",
}


@pytest.fixture(scope="module")
def workers(npm_clients: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workers]:
    with running_workers(npm_clients, tmp_path_factory.mktemp("workers")) as running:
        yield running


@pytest.fixture(autouse=True)
def counts(workers: Workers) -> None:
    wait_until(lambda: workers.server.service.running == 0)
    workers.server.service.reset()


@pytest.fixture(params=["remote", "wrapped", "project"])
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=["remote", "wrapped", "project", "direct"])
def any_way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def frames(text: str) -> list[str]:
    parts = text.split("\n\n")
    assert parts.pop() == ""
    return [part.removeprefix("data: ") for part in parts]


def test_a_seed(workers: Workers, way: str, proven: Proven) -> None:
    answer = httpx.get(workers.urls[f"{way}/openhermes"], trust_env=False).json()
    usage = {"prompt_tokens": 9, "completion_tokens": 9, "total_tokens": 18}
    assert answer == {"response": QUESTION, "usage": usage, "finish_reason": "stop"}
    [request] = workers.server.service.requests
    assert request.model == AWQ
    assert [message.role for message in request.messages or ()] == ["system", "user"]
    proven("miniflare", workers.version, f"the Worker of the model's page; {WAYS[way]}", "works")


def test_a_seed_that_streams(workers: Workers, way: str, proven: Proven) -> None:
    response = httpx.get(workers.urls[f"{way}/openhermes_streaming"], trust_env=False)
    assert response.headers["content-type"] == "text/event-stream"
    *pieces, usage, done = frames(response.text)
    assert "".join(json.loads(piece)["response"] for piece in pieces) == QUESTION
    assert json.loads(usage)["usage"]["total_tokens"] == 18
    assert done == "[DONE]"
    proven("miniflare", workers.version, f"the streaming Worker of the model's page; {WAYS[way]}", "works")


def test_a_seed_with_a_fine_tune(workers: Workers, way: str, tmp_path: Path, proven: Proven) -> None:
    """Its id that stands for an id is a good name."""
    client, base = workers.server.client, "/client/v4/accounts/acc/ai/finetunes"
    if client.get(f"{base}/{TUNE}").status_code == 404:
        client.post(base, json={"model": LORA, "name": TUNE, "description": ""}).raise_for_status()
        adapter = make_adapter(tmp_path / "adapter")
        for name in (CONFIG, WEIGHTS):
            upload = {"file": (name, (adapter / name).read_bytes())}
            client.post(f"{base}/{TUNE}/finetune-assets", data={"file_name": name}, files=upload).raise_for_status()
    answer = httpx.get(workers.urls[f"{way}/mistral_lora"], trust_env=False).json()
    assert answer["response"] == "tell me a story"
    [request] = workers.server.service.requests
    assert request.raw
    assert request.adapter is not None
    proven("miniflare", workers.version, f"the LoRA Worker of the model's page; {WAYS[way]}", "works")


def test_an_answer_comes_bare(workers: Workers, any_way: str) -> None:
    told = workers.ask(f"{any_way}/probe", model=PLAIN, inputs={"prompt": "hello there"}).json()
    usage = {"prompt_tokens": 2, "completion_tokens": 2, "total_tokens": 4}
    assert told["answer"] == {"response": "hello there", "usage": usage, "finish_reason": "stop"}
    assert told["status"] == 200
    assert len(told["id"]) == 36


def test_a_raw_response(workers: Workers, any_way: str) -> None:
    options = {"returnRawResponse": True, "gateway": {"id": "mine"}}
    told = workers.ask(f"{any_way}/probe", model=PLAIN, inputs={"prompt": "hi"}, options=options).json()
    assert (told["status"], told["body"]["response"], len(told["id"])) == (200, "hi", 36)
    refused = workers.ask(f"{any_way}/probe", model=PLAIN, inputs={"prompt": "!busy"}, options=options).json()
    assert (refused["status"], refused["body"]["internalCode"]) == (429, 3040)


def test_options_reach_the_server(workers: Workers, any_way: str) -> None:
    options = {"prefix": "mine", "rejectIfBusy": True, "extraHeaders": {"x-mine": "1"}}
    assert workers.ask(f"{any_way}/probe", model=PLAIN, inputs={"prompt": "hi"}, options=options).status_code == 200
    [request] = workers.server.service.requests
    assert (request.model, request.wait) == (PLAIN, False)


@pytest.mark.parametrize(
    ("model", "inputs", "says"),
    [
        ("@cf/no/such", {"prompt": "hi"}, "5007: No such model @cf/no/such or task"),
        ("nonsense", {"prompt": "hi"}, "3042: The model name 'nonsense' is invalid."),
        (PLAIN, {"prompt": "hi", "max_tokens": "5"}, "5006: max_tokens: should be a valid integer"),
        (
            PLAIN,
            {"prompt": "hi", "max_tokens": 5000},
            "5021: This model's maximum context length is 4096 tokens",
        ),
        (PLAIN, {"prompt": "!busy"}, "3040: The queue is full."),
        (PLAIN, {"prompt": "!lost"}, "3043: The engine ended while it worked for this request."),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_errors(
    workers: Workers,
    any_way: str,
    model: str,
    inputs: dict[str, object],
    says: str,
    stream: bool,
    proven: Proven,
) -> None:
    response = workers.ask(f"{any_way}/probe", model=model, inputs={**inputs, "stream": stream})
    told = response.json()
    assert told["name"] == "InferenceUpstreamError"
    assert told["message"].startswith(says)
    assert told["code"] == int(says[:4])
    ran = f"unknown model, wrong type, context too long, server busy, engine lost; {WAYS[any_way]}"
    proven("miniflare", workers.version, ran, "`InferenceUpstreamError` with code and message")


def test_an_error_in_a_stream_that_has_begun(workers: Workers, any_way: str) -> None:
    response = workers.ask(f"{any_way}/probe", model=PLAIN, inputs={"prompt": "!later:lost", "stream": True})
    first, error, done = frames(response.text)
    assert json.loads(first) == {"response": "first"}
    assert json.loads(error)["error"]["code"] == 3043
    assert done == "[DONE]"


def test_a_worker_of_old(workers: Workers) -> None:
    told = workers.ask("old/probe", model="@cf/no/such", inputs={"prompt": "hi"}).json()
    assert told["name"] == "InferenceUpstreamError"
    assert told["message"] == "5007: No such model @cf/no/such or task"


def test_lists_models(workers: Workers, any_way: str) -> None:
    listed = workers.ask(f"{any_way}/probe", inputs={"search": "mistral", "per_page": 1}).json()
    assert [model["name"] for model in listed] == [LORA]
    refused = workers.ask(f"{any_way}/probe", inputs={"page": 0}).json()
    assert refused["name"] == "AiInternalError"
    assert "page: should be greater than or equal to 1" in refused["message"]


def test_a_signal_ends_the_generation(workers: Workers, any_way: str) -> None:
    service = workers.server.service
    service.delay = 0.01
    try:
        told = workers.ask(f"{any_way}/probe", model=PLAIN, inputs={"prompt": "!endless"}, abortAfter=300).json()
        wait_until(lambda: service.cancelled == 1)
    finally:
        service.delay = 0.0
    assert told["name"] == "TimeoutError"


def test_who_stops_reading_ends_the_generation(workers: Workers, any_way: str) -> None:
    service = workers.server.service
    service.delay = 0.01
    try:
        with workers.stream(f"{any_way}/probe", model=PLAIN, inputs={"prompt": "!endless", "stream": True}) as response:
            assert next(response.iter_lines()) == 'data: {"response":"!endless"}'
        wait_until(lambda: service.cancelled == 1)
    finally:
        service.delay = 0.0


def test_a_signal_ends_a_stream(workers: Workers, any_way: str) -> None:
    """As it is read, which is what SDKs do."""
    service = workers.server.service
    service.delay = 0.01
    body = {"model": PLAIN, "inputs": {"prompt": "!endless", "stream": True}, "abortAfter": 300, "reads": True}
    try:
        told = workers.ask(f"{any_way}/probe", timeout=5.0, **body).json()
        wait_until(lambda: service.cancelled == 1)
    finally:
        service.delay = 0.0
    assert told["name"] == "TimeoutError"


@pytest.mark.parametrize(
    ("streams", "options", "says"),
    [
        (
            {"audio": "audio/wav", "image": "image/png"},
            {},
            "Multiple ReadableStreams are not supported. Found streams in",
        ),
        ({"audio": None}, {}, "Content-Type is required with ReadableStream inputs"),
        ({"audio": "bare"}, {}, "Content-Type is required with ReadableStream inputs"),
        ({"audio": "audio/wav"}, {"gateway": {"id": "mine"}}, "AI Gateway does not support ReadableStreams yet."),
        ({"audio": "audio/wav"}, {}, "5100: inputs: binary streams and forms, such as audio or images"),
    ],
)
def test_streams_as_inputs(
    workers: Workers, any_way: str, streams: dict[str, str | None], options: dict[str, object], says: str
) -> None:
    """What the binding refuses itself it says in its own words, and the server what comes to it."""
    told = workers.ask(f"{any_way}/probe", model=PLAIN, inputs={}, options=options, streams=streams).json()
    assert told["name"] == ("InferenceUpstreamError" if says.startswith("5100") else "AiInternalError")
    assert says in told["message"]


def test_a_gateway_runs(workers: Workers, any_way: str) -> None:
    """A list is tried in turn; a provider that is not there is one that fails."""
    steps = [
        {"provider": "openai", "endpoint": "chat/completions", "headers": {}, "query": {}},
        {"provider": "workers-ai", "endpoint": f"run/{PLAIN}", "headers": {"x-n": 60}, "query": {"prompt": "hi"}},
    ]
    told = workers.ask(f"{any_way}/probe", call="gatewayRun", inputs=steps).json()["answer"]
    assert (told["status"], told["step"], json.loads(told["text"])["result"]["response"]) == (200, "1", "hi")
    refused = workers.ask(f"{any_way}/probe", call="gatewayRun", inputs=steps[0]).json()["answer"]
    assert (refused["status"], refused["step"]) == (400, None)
    assert "the only provider is workers-ai" in json.loads(refused["text"])["errors"][0]["message"]


def test_a_gateway_has_an_address_and_no_logs(workers: Workers, any_way: str) -> None:
    def ask(call: str, inputs: object = None) -> dict[str, Any]:
        told: dict[str, Any] = workers.ask(f"{any_way}/probe", call=call, inputs=inputs).json()
        return told

    url = ask("gatewayUrl", "workers-ai")["answer"]
    assert url == f"{workers.server.url}/v1/acc/mine/workers-ai"
    answer = httpx.post(f"{url}/{PLAIN}", json={"prompt": "hi"}, trust_env=False).json()
    assert answer["result"]["response"] == "hi"
    assert ask("gatewayUrl")["answer"] == f"{workers.server.url}/v1/acc/mine"
    for call in ("gatewayLog", "gatewayPatch"):
        told = ask(call)
        assert told["name"] == "AiGatewayLogNotFound"
        assert "keeps no logs of a gateway" in told["message"]
    assert ask("isNoGateway")["answer"] == "undefined"  # by which clients tell the two apart


def test_what_else_a_binding_has(workers: Workers, any_way: str) -> None:
    def ask(call: str) -> dict[str, Any]:
        told: dict[str, Any] = workers.ask(f"{any_way}/probe", call=call).json()
        return told

    assert ask("fetch")["answer"] == 1
    assert ask("logs")["answer"] == []
    for call, name in {
        "toMarkdown": "AiInternalError",
        "markdownFormats": "AiInternalError",
        "autorag": "AutoRAGNotFoundError",
        "autoragStream": "AutoRAGNotFoundError",
    }.items():
        told = ask(call)
        assert told["name"] == name
        assert ("toMarkdown" if name == "AiInternalError" else "autorag") in told["message"]


def test_tokens(workers: Workers) -> None:
    inputs = {"prompt": "hi"}
    for worker in ("wrapped-locked/probe", "direct-locked/probe"):
        assert workers.ask(worker, model=PLAIN, inputs=inputs).json()["answer"]["response"] == "hi"
    for worker in ("wrapped-wrong/probe", "remote-locked/probe"):
        told = workers.ask(worker, model=PLAIN, inputs=inputs).json()
        assert told["name"] == "InferenceUpstreamError"
        assert told["message"] == "10000: Authentication error"


def test_a_server_that_is_gone(workers: Workers) -> None:
    told = workers.ask("direct-gone/probe", model=PLAIN, inputs={"prompt": "hi"}).json()
    assert told["name"] == "AiInternalError"
    assert told["message"].startswith("Fireside cannot be reached at http://127.0.0.1:9: ")


@pytest.mark.parametrize("stream", [False, True])
def test_the_ai_sdk(workers: Workers, way: str, stream: bool, npm_clients: Path, proven: Proven) -> None:
    messages = [{"role": "user", "content": "where is new york?"}]
    told = workers.ask(f"{way}/ai_sdk", model=PLAIN, messages=messages, stream=stream, maxOutputTokens=20).json()
    assert told.get("text") == "where is new york?" or "".join(told["pieces"]) == "where is new york?"
    assert told["finishReason"] == "stop"
    assert (told["usage"]["inputTokens"], told["usage"]["outputTokens"]) == (4, 4)
    name, ran = "workers-ai-provider with the Vercel AI SDK", "`streamText`" if stream else "`generateText`"
    versions = " with ".join(npm_version(npm_clients, package) for package in ("workers-ai-provider", "ai"))
    proven(name, versions, f"{ran}; {WAYS[way]}", "works")


@pytest.mark.parametrize("stream", [False, True])
def test_a_signal_of_the_ai_sdk(workers: Workers, way: str, stream: bool, npm_clients: Path, proven: Proven) -> None:
    """As a chat route passes it on when its page goes away."""
    service = workers.server.service
    service.delay = 0.01
    asked: dict[str, Any] = {"model": PLAIN, "prompt": "!endless", "stream": stream, "abortAfter": 500}
    try:
        told = workers.ask(f"{way}/ai_sdk", **asked).json()
        wait_until(lambda: service.cancelled == 1)
    finally:
        service.delay = 0.0
    assert told["aborted"] > 1 if stream else told["name"] in ("AbortError", "TimeoutError")
    name, ran = "workers-ai-provider with the Vercel AI SDK", "`streamText`" if stream else "`generateText`"
    versions = " with ".join(npm_version(npm_clients, package) for package in ("workers-ai-provider", "ai"))
    proven(name, versions, f"{ran} with `abortSignal`; {WAYS[way]}", "ends the generation on the server")


@pytest.mark.parametrize("stream", [False, True])
def test_run_with_tools(workers: Workers, way: str, stream: bool) -> None:
    """`runWithTools` asks twice: with the tools, and for the last answer."""
    told = workers.ask(f"{way}/tools", model=PLAIN, prompt="hello there", tools=[], stream=stream)
    pieces = (
        [json.loads(frame)["response"] for frame in frames(told.text)[:-1]] if stream else [told.json()["response"]]
    )
    assert "".join(pieces) == "hello there"
    assert len(workers.server.service.requests) == 2


def test_run_with_tools_calls_them(workers: Workers, way: str, npm_clients: Path, proven: Proven) -> None:
    numbers = {"type": "object", "properties": {"a": {"type": "number"}, "b": {"type": "number"}}}
    tools = [{"name": "sum", "description": "Adds two numbers.", "parameters": numbers}]
    told = workers.ask(f"{way}/tools", model=PLAIN, prompt='!call:sum:{"a":2,"b":3}', tools=tools, stream=False)
    assert json.loads(told.json()["response"]) == {"result": 5}
    asked, again = workers.server.service.requests
    assert [tool.name for tool in asked.tools] == ["sum"]
    assert [turn.role for turn in again.messages or ()][-2:] == ["assistant", "tool"]
    version = npm_version(npm_clients, "@cloudflare/ai-utils")
    proven("@cloudflare/ai-utils", version, f"`runWithTools`; {WAYS[way]}", "works")


def test_the_ai_sdk_shows_what_is_wrong(workers: Workers, way: str) -> None:
    for stream in (False, True):
        told = workers.ask(f"{way}/ai_sdk", model="@cf/no/such", prompt="hi", stream=stream).json()
        assert "No such model @cf/no/such or task" in told["message"]
