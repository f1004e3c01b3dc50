"""The clients' own suites, against echo, where what comes is known, and against a real model."""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fireside.cli.main import app
from support.command import pull_default_model
from support.compatibility import npm_version
from support.echo_service import PLAIN
from support.live_server import LiveServer, live_server
from support.obliging_service import ObligingService
from support.serving import serving
from support.suites import Bench, Ran, in_miniflare, make_bench
from support.wrangler import wrangler_dev

ECHO, SMOLLM2 = "@hf/fireside/echo", "@hf/huggingfacetb/smollm2-135m-instruct"

Proven = Callable[[str, str, str, str], None]


OWN_MODEL = """
id = "@cf/meta/llama-2-7b-chat-int8" # langchain's default
context_length = 8192

[source]
kind = "folder"
path = "{path}"

[prompt]
style = "chatml"

[engine]
kind = "onnx"
"""
"""The real model under the name that a client has in its code, as users would put it there."""

OWN_ECHO = """
id = "@cf/meta/llama-2-7b-chat-int8"
context_length = 4096
[source]
kind = "none"
[prompt]
style = "plain"
[engine]
kind = "echo"
"""


@pytest.fixture(scope="module")
def url(smollm2_gguf: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    data_dir = pull_default_model(tmp_path_factory.mktemp("suites") / "data", smollm2_gguf)
    (data_dir / "catalog").mkdir()
    (data_dir / "catalog/own.toml").write_text(OWN_MODEL.format(path=smollm2_gguf), encoding="utf-8")
    with serving(data_dir) as running:
        yield running


@pytest.fixture(scope="module")
def echo_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Echo under the name of langchain's default."""
    data_dir = tmp_path_factory.mktemp("echo")
    (data_dir / "catalog").mkdir()
    (data_dir / "catalog/own.toml").write_text(OWN_ECHO, encoding="utf-8")
    with serving(data_dir, "echo") as running:
        yield running


@pytest.fixture(scope="module")
def obliging(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with live_server(tmp_path_factory.mktemp("obliging"), ObligingService()) as running:
        yield running


@pytest.fixture(scope="module")
def ai_6(npm_clients: Path, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """As the suite was for workers-ai-provider 3."""
    return make_bench(tmp_path_factory.mktemp("ai_6"), npm_clients, rename={"isStepCount": "stepCountIs"})


@pytest.fixture(scope="module")
def ai_7(npm_clients: Path, npm_ai_7: Path, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """It refuses a system message among the others, unless it is told not to."""
    forced = 'toolChoice: { type: "tool", toolName: "record_feedback" },'
    rename = {forced: f"{forced} allowSystemInMessages: true,"}
    return make_bench(tmp_path_factory.mktemp("ai_7"), npm_clients, npm_ai_7, rename=rename)


@pytest.fixture
def bench(request: pytest.FixtureRequest) -> Bench:
    found: Bench = request.getfixturevalue(request.param)
    return found


WAYS = {"remote": "`env.AI`, with miniflare's remote binding", "project": "`env.AI`, after `fireside worker init`"}


@contextmanager
def worker(way: str, bench: Bench, source: Path, url: str, client_environment: dict[str, str]) -> Iterator[str]:
    if way == "remote":
        with in_miniflare(bench, source / "src/index.ts", url, remote=True) as address:
            yield address
        return
    (source / "node_modules").symlink_to(bench.modules)
    done = CliRunner().invoke(app, ["worker", "init", str(source), "--url", url, "--account", "acc", "--dev-only"])
    assert done.exit_code == 0, done.output
    with wrangler_dev(bench.folder, client_environment, source, "wrangler.fireside.jsonc") as address:
        yield address


def versions(bench: Bench) -> str:
    return " with ".join(npm_version(bench.folder, package) for package in ("workers-ai-provider", "ai"))


# What upstream's tables show. Echo says its prompt, and calls a tool only when it has to; the obliging one calls one
# when it is told to, and once.
REST = {
    "chat": "ok", "multiTurn": "ok", "toolCalling": "warn", "toolRoundTrip": "warn", "toolMultiStep": "warn",
    "toolRequired": "ok", "toolForced": "ok", "structuredOutput": "ok",
}  # fmt: skip
BINDING = {
    "chat": "ok", "stream": "ok", "multiTurn": "ok", "toolCall": "warn", "toolRoundTrip": "warn",
    "toolMultiStep": "warn", "toolRequired": "ok", "toolForced": "ok", "structuredOutput": "ok",
}  # fmt: skip
TANSTACK = {"chat": "ok", "multiTurn": "ok", "structuredOutput": "ok", "reasoning": "ok"}
OBLIGING = {"toolCall": "ok", "toolRoundTrip": "ok"}
LAST = "comes to what was expected"


def passed(ran: Ran) -> int:
    """How many tests passed, none of the others having failed."""
    assert "failed" not in ran.values()
    return list(ran.values()).count("passed")


@pytest.mark.parametrize("bench", ["ai_6", "ai_7"], indirect=True)
def test_workers_ai_provider_by_rest(bench: Bench, url: str, proven: Proven) -> None:
    suite = "cloudflare-ai/workers-ai-provider/rest.test.ts"
    ran = bench.run(suite, url, MODEL=ECHO, EXPECTED=json.dumps(REST))
    assert passed(ran) == len(ran) == len(REST) + 2
    assert passed(bench.run(suite, url, matching="basic chat", MODEL=SMOLLM2)) == 1
    proven("workers-ai-provider with ai, REST", versions(bench), "the text tests of its own end-to-end suite", "passed")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("bench", ["ai_6", "ai_7"], indirect=True)
def test_workers_ai_provider_by_the_binding(
    bench: Bench,
    way: str,
    url: str,
    obliging: LiveServer,
    client_environment: dict[str, str],
    tmp_path: Path,
    proven: Proven,
) -> None:
    suite = "cloudflare-ai/workers-ai-provider"
    source = shutil.copytree(bench.suite(f"{suite}/worker"), tmp_path / "worker")
    with worker(way, bench, source, url, client_environment) as address:
        ran = bench.run(f"{suite}/binding.test.ts", url, WORKER=address, MODEL=ECHO, EXPECTED=json.dumps(BINDING))
        assert passed(ran) == len(ran) == len(BINDING) + 1
    if way == "remote":
        with worker(way, bench, source, obliging.url, client_environment) as address:
            told = {"WORKER": address, "MODEL": PLAIN, "EXPECTED": json.dumps(OBLIGING)}
            matching = f"tool call via|tool round-trip|{LAST}"
            assert passed(bench.run(f"{suite}/binding.test.ts", url, matching=matching, **told)) == 3
    ran_what = f"the text tests of its own end-to-end suite; {WAYS[way]}"
    proven("workers-ai-provider with the Vercel AI SDK", versions(bench), ran_what, "passed")


def test_tanstack_by_rest(ai_6: Bench, url: str, obliging: LiveServer, proven: Proven) -> None:
    suite = "cloudflare-ai/tanstack-ai/rest.test.ts"
    ran = ai_6.run(suite, url, MODEL=ECHO, EXPECTED=json.dumps(TANSTACK))
    assert passed(ran) == len(ran) == 9
    assert passed(ai_6.run(suite, url, matching="basic chat", MODEL=SMOLLM2)) == 1
    told = {"MODEL": PLAIN, "EXPECTED": json.dumps({"toolCalling": "ok", "toolRoundTrip": "ok"})}
    assert passed(ai_6.run(suite, obliging.url, matching=f"tool|{LAST}", **told)) == 3
    version = npm_version(ai_6.folder, "@cloudflare/tanstack-ai")
    proven("@cloudflare/tanstack-ai, REST", version, "the text tests of its own end-to-end suite", "passed")


@pytest.mark.parametrize("way", WAYS)
def test_tanstack_by_the_binding(
    ai_6: Bench,
    way: str,
    url: str,
    obliging: LiveServer,
    client_environment: dict[str, str],
    tmp_path: Path,
    proven: Proven,
) -> None:
    suite = "cloudflare-ai/tanstack-ai"
    source = shutil.copytree(ai_6.suite(f"{suite}/worker"), tmp_path / "worker")
    expected = TANSTACK | {"structuredOutput": "warn"}  # echo's texts are empty, which upstream warns of here
    with worker(way, ai_6, source, url, client_environment) as address:
        ran = ai_6.run(f"{suite}/binding.test.ts", url, WORKER=address, MODEL=ECHO, EXPECTED=json.dumps(expected))
        assert passed(ran) == len(ran) == 9
    if way == "remote":
        with worker(way, ai_6, source, obliging.url, client_environment) as address:
            told = {"WORKER": address, "MODEL": PLAIN, "EXPECTED": json.dumps(OBLIGING)}
            matching = f"tool call|processed|tool round-trip|{LAST}"
            assert passed(ai_6.run(f"{suite}/binding.test.ts", url, matching=matching, **told)) == 4
    version = npm_version(ai_6.folder, "@cloudflare/tanstack-ai")
    proven("@cloudflare/tanstack-ai", version, f"the text tests of its own end-to-end suite; {WAYS[way]}", "passed")


@pytest.mark.parametrize(("suite", "tests"), [("chat_models", 7), ("llms", 3)])
def test_langchain(ai_6: Bench, suite: str, tests: int, echo_url: str, url: str, proven: Proven) -> None:
    ran = ai_6.run(f"langchainjs/{suite}.test.ts", echo_url)
    assert (passed(ran), len(ran)) == (tests, tests + 1)  # upstream skips one, that of a gateway
    if suite == "chat_models":
        assert passed(ai_6.run("langchainjs/chat_models.test.ts", url, matching="AI stream$")) == 1
    version = npm_version(ai_6.folder, "@langchain/cloudflare")
    proven("@langchain/cloudflare", version, f"its integration tests, {suite}", "passed")
