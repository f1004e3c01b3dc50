"""Every client that asks for text, unmodified: what it returns, and what its user sees of whatever can go wrong."""

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from importlib.metadata import distributions
from pathlib import Path
from typing import Any, Literal

import pytest

from support.compatibility import npm_version, python_version
from support.drivers import Driver, Said
from support.served import ECHO, Served, served

DRIVERS = Path(__file__).parent / "drivers"
TEXT = "one two three"

Proven = Callable[[str, str, str, str], None]


@dataclass(frozen=True)
class Client:
    """A client, its driver, and what it calls what it does.

    Args:
        place: the environment of these tests, requirements.txt's, or node_modules.
        fields: that the driver needs in each call.
        shows: what it says of a problem, where it is not the server's own message.
        silent: it takes a stream that breaks off for one that has ended.
    """

    name: str
    package: str
    driver: str
    place: Literal["here", "python", "npm"]
    answer: str
    stream: str
    complete: str = ""
    models: str = ""
    stop: str = ""
    tools: str = ""
    form: str = ""
    fields: dict[str, str] = field(default_factory=dict)
    shows: dict[str, str] = field(default_factory=dict)
    silent: bool = False


TOKEN, MODEL, TYPE, CONTEXT, BUSY, LOST = (
    "a wrong token",
    "an unknown model",
    "a temperature that is text",
    "a prompt longer than the context window",
    "a server that is busy",
    "an engine that is lost in the middle of a stream",
)
MESSAGES = {
    TOKEN: "Authentication error",
    MODEL: "No such model @hf/no/such or task",
    TYPE: "temperature: should be a valid number",
    CONTEXT: "maximum context length is 64 tokens",
    BUSY: "is at capacity",
    LOST: "The engine process was ended by signal SIGKILL",
}
STATUSES = {BUSY: "429 Too Many Requests", CONTEXT: "400 Bad Request", TOKEN: "401 Unauthorized"}
PYDANTIC = "Input should be a valid number"

CLIENTS = [
    Client(
        "cloudflare (Python)", "cloudflare", "cloudflare_python.py", "here",
        "`ai.run`", "`ai.with_streaming_response.run`", models="`ai.models.list`",
        tools="`tools`", form="`response_format`: JSON that fits a schema",
    ),
    Client(
        "cloudflare (TypeScript)", "cloudflare", "cloudflare_typescript.mjs", "npm",
        "`ai.run`", "`ai.run`, streamed", models="`ai.models.list`",
        tools="`tools`", form="`response_format`: JSON that fits a schema",
    ),
    Client(
        "openai (Python)", "openai", "openai_python.py", "here",
        "`chat.completions.create`", "`chat.completions.create`, streamed with usage", "`completions.create`",
        "`models.list`, `models.retrieve`", "stop",
        "`tools`, also streamed", "`response_format`: JSON that fits a schema",
    ),
    Client(
        "openai (TypeScript)", "openai", "openai_typescript.mjs", "npm",
        "`chat.completions.create`", "`chat.completions.create`, streamed with usage", "`completions.create`",
        "`models.list`, `models.retrieve`", "stop",
        "`tools`, also streamed", "`response_format`: JSON that fits a schema",
    ),
    Client(
        "litellm, provider cloudflare", "litellm", "litellm_python.py", "python",
        "`completion`", "`completion`, streamed with usage", stop="stop", fields={"provider": "cloudflare"},
    ),
    Client(
        "litellm, provider openai", "litellm", "litellm_python.py", "python",
        "`completion`", "`completion`, streamed with usage", stop="stop", fields={"provider": "openai"},
        tools="`tools`", form="`response_format`: JSON that fits a schema",
    ),
    Client(
        "langchain-cloudflare, run", "langchain-cloudflare", "langchain_python.py", "python",
        "`ChatCloudflareWorkersAI.invoke`", "`ChatCloudflareWorkersAI.stream`", fields={"format": "workers_ai"},
        tools="`bind_tools`", form="`with_structured_output`: a JSON object",
        shows={**STATUSES, MODEL: "400 Bad Request", TYPE: PYDANTIC}, silent=True,
    ),
    Client(
        "langchain-cloudflare, chat/completions", "langchain-cloudflare", "langchain_python.py", "python",
        "`ChatCloudflareWorkersAI.invoke`", "`ChatCloudflareWorkersAI.stream`", stop="stop",
        fields={"format": "openai_compatible"},
        tools="`bind_tools`", form="`with_structured_output`: a JSON object",
        shows={**STATUSES, MODEL: "404 Not Found", TYPE: PYDANTIC}, silent=True,
    ),
    Client(
        "workers-ai-provider with ai, REST", "workers-ai-provider", "workers_ai_provider.mjs", "npm",
        "`generateText`", "`streamText`", tools="`tools`", form="`Output.object`: JSON that fits a schema",
        shows={TYPE: "temperature must be a number"}, silent=True,
    ),
]  # fmt: skip


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("served")) as running:
        yield running


@dataclass(frozen=True)
class Running:
    """A client that can be asked."""

    client: Client
    version: str
    driver: Driver

    def ask(self, call: str, **fields: Any) -> Said:
        return self.driver.ask(call, **fields)


@pytest.fixture(scope="module")
def started() -> Iterator[dict[str, Running]]:
    """Clients that were asked once are there for the next test, in whatever order tests come."""
    clients: dict[str, Running] = {}
    yield clients
    for client in clients.values():
        client.driver.close()


@pytest.fixture(params=CLIENTS, ids=lambda client: client.name)
def running(request: pytest.FixtureRequest, server: Served, started: dict[str, Running]) -> Running:
    client: Client = request.param
    if client.name not in started:
        command, version = _installed(client, request)
        # Only what it is told here: neither somebody's keys nor our own modules.
        kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "SYSTEMROOT")}
        fields = {"url": server.url, "token": server.token, "model": ECHO, "prompt": TEXT, **client.fields}
        driver = Driver(command, {**kept, "NO_PROXY": "127.0.0.1"}, **fields)
        started[client.name] = Running(client, version, driver)
    return started[client.name]


def _installed(client: Client, request: pytest.FixtureRequest) -> tuple[list[str], str]:
    """How to start a client's driver, and the version that is installed."""
    if client.place == "here":
        return [sys.executable, str(DRIVERS / client.driver)], python_version(client.package)
    if client.place == "python":
        folder: Path = request.getfixturevalue("python_clients")
        libraries = [str(path) for path in folder.glob("lib/*/site-packages")]
        [found] = distributions(name=client.package, path=libraries)
        return [str(folder / "bin" / "python"), str(DRIVERS / client.driver)], found.version
    folder = request.getfixturevalue("npm_clients")
    copied = folder / "drivers"  # beside node_modules, where node looks for packages
    shutil.copytree(DRIVERS, copied, dirs_exist_ok=True)
    return ["node", str(copied / client.driver)], npm_version(folder, client.package)


def only(wanted: Callable[[Client], object]) -> pytest.MarkDecorator:
    """For those clients that can do it."""
    able = [client for client in CLIENTS if wanted(client)]
    return pytest.mark.parametrize("running", able, ids=lambda client: client.name, indirect=True)


def returned(said: Said, name: str) -> Any:
    assert said.raised is None, said.raised
    return said.done.get(name) if isinstance(said.done, dict) else said.done


def test_an_answer(running: Running, proven: Proven) -> None:
    said = running.ask("answer")
    assert returned(said, "text") == TEXT
    assert returned(said, "finish") in ("stop", None)
    assert returned(said, "tokens") == 2 * len(TEXT)
    proven(running.client.name, running.version, running.client.answer, "works")


def test_a_stream(running: Running, proven: Proven) -> None:
    said = running.ask("stream")
    assert len(said.pieces) > 5
    assert "".join(said.pieces) == returned(said, "text") == TEXT
    assert returned(said, "finish") in ("stop", None)
    assert returned(said, "tokens") in (2 * len(TEXT), None)
    proven(running.client.name, running.version, running.client.stream, "works")


@only(lambda client: client.complete)
def test_a_completion(running: Running, proven: Proven) -> None:
    said = running.ask("complete", options={"max_tokens": 5})
    assert returned(said, "text") == TEXT[:5]
    assert returned(said, "finish") == "length"
    proven(running.client.name, running.version, running.client.complete, "works")


@only(lambda client: client.package == "openai")
def test_several_answers(running: Running, proven: Proven) -> None:
    said = running.ask("several", prompts=["one", "two"])
    assert returned(said, "texts") == returned(said, "streamed") == ["one", "one", "two", "two"]
    assert returned(said, "tokens") == list(TEXT)
    proven(running.client.name, running.version, "several prompts, `n`, `logprobs`, also streamed", "works")


@only(lambda client: client.models)
def test_models(running: Running, proven: Proven, server: Served) -> None:
    listed = returned(running.ask("models"), "")
    assert {ECHO, server.slow, server.short} <= set(listed)
    proven(running.client.name, running.version, running.client.models, "works")


@only(lambda client: client.stop)
def test_stop_texts(running: Running, proven: Proven) -> None:
    for call in ("answer", "stream"):
        said = running.ask(call, options={"stop": ["never", " thr"]})
        assert returned(said, "text") == "one two"
        assert returned(said, "finish") in ("stop", None)
    proven(running.client.name, running.version, f"`{running.client.stop}` texts", "works")


SUM = {
    "name": "sum",
    "description": "Adds two numbers.",
    "parameters": {
        "type": "object",
        "properties": {"a": {"type": "number"}, "b": {"type": "number"}},
        "required": ["a", "b"],
    },
}
CALL = '<tool_call>\n{"name": "sum", "arguments": {"a": 2, "b": 3}}\n</tool_call>'


@only(lambda client: client.tools)
def test_tools(running: Running, proven: Proven) -> None:
    """Echo calls what its prompt calls. Its answer to the result is all that was said, with the result in it."""
    said = running.ask("tools", prompt=CALL, tool=SUM, result="the sum is 5")
    assert returned(said, "name") == "sum"
    assert returned(said, "arguments") == {"a": 2, "b": 3}
    assert "the sum is 5" in returned(said, "text")
    proven(running.client.name, running.version, f"{running.client.tools}, with a call and its result", "works")


@only(lambda client: client.form)
@pytest.mark.parametrize("model", [None, "mistral"])
def test_json_that_fits_a_schema(running: Running, server: Served, model: str | None, proven: Proven) -> None:
    """langchain-cloudflare asks models with "mistral" in their name in a way of their own."""
    schema = {"title": "person", "type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
    said = running.ask("form", prompt="Ann", schema=schema, model=server.mistral if model else ECHO)
    assert said.raised is None, said.raised
    assert isinstance(said.done, dict)
    # langchain-cloudflare tells the model of the schema, and asks for any object.
    assert said.done.keys() == {"name"} or running.client.package == "langchain-cloudflare"
    proven(running.client.name, running.version, running.client.form, "works")


@only(lambda client: client.package == "openai")
def test_the_short_base_url(running: Running, proven: Proven) -> None:
    for call in ("answer", "stream", "complete", "models"):
        assert running.ask(call, base="/v1").raised is None
    proven(running.client.name, running.version, "all of these at the base URL `/v1`", "works")


def shown(client: Client, problem: str, said: Said) -> str:
    """What the client raised, in words; it must name the problem."""
    assert said.raised is not None, said.done
    text = client.shows.get(problem, MESSAGES[problem])
    assert text in said.raised["message"], said.raised
    words = f"`{said.raised['name']}` that says “{text}”"
    if problem in client.shows and MESSAGES[problem] in said.raised["body"]:
        return f"{words}; the server's message is in its `response`"
    return words


@pytest.mark.parametrize("problem", [TOKEN, MODEL, TYPE, CONTEXT, BUSY])
def test_a_problem_is_named(running: Running, server: Served, problem: str, proven: Proven) -> None:
    changes: dict[str, dict[str, Any]] = {
        TOKEN: {"token": "wrong"},
        MODEL: {"model": "@hf/no/such"},
        TYPE: {"options": {"temperature": "warm"}},
        CONTEXT: {"model": server.short, "prompt": "word " * 50},
        BUSY: {"model": server.slow},
    }
    fields = changes[problem]
    with server.busy() if problem == BUSY else nullcontext():
        words = shown(running.client, problem, running.ask("answer", **fields))
        streamed = shown(running.client, problem, running.ask("stream", **fields))
    assert words.startswith(streamed)
    # Where the exception itself does not say it, its response must.
    assert MESSAGES[problem] in words or problem == TYPE or "the server's message" in words
    proven(running.client.name, running.version, problem, words)


def test_an_engine_that_is_lost(running: Running, server: Served, proven: Proven) -> None:
    said = running.ask("stream", model=server.slow, prompt="word " * 300, on_piece=server.kill_engines)
    if not running.client.silent:
        words = shown(running.client, LOST, said)
    else:
        finish = returned(said, "finish")
        assert len(returned(said, "text")) < len("word " * 300)
        words = (
            f"no exception, but the finish reason `{finish}`" if finish else "the text ends early, with no exception"
        )
    proven(running.client.name, running.version, LOST, words)
