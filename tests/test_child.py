"""Child processes run none of what lies in the working directory, and see nothing of the server's secrets."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path

import psutil
import pytest

from fireside import child
from fireside.chat.templates.messages import Job, JobMessage
from fireside.chat.templates.renderer import TemplateRenderer
from fireside.engine.echo import EchoOptions
from fireside.engine.grammar.checker import GrammarChecker
from fireside.engine.registry import create
from fireside.engine.types import GenerationRequest
from fireside.functions.sandbox import Sandbox
from fireside.weights.download import pip
from support.children import Children
from support.command import command_line, environment
from support.grammars import json_grammar

DECOYS = (
    "pip",
    "fireside",
    "json",
    "msgspec",
    "numpy",
    "llguidance",
    "jinja2",
    "wasmtime",
    "runpy",
    "encodings",
    "sitecustomize",
)
SECRETS = {
    "AWS_SECRET_ACCESS_KEY": "secret-1",
    "FIRESIDE_DATABASE_URL": "secret-2",
    "HF_TOKEN": "secret-3",
    "PGPASSWORD": "secret-4",
    "PYTHONPATH": "secret-5",
    "ANYTHING_ELSE": "secret-6",
}


@pytest.fixture
def trap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory full of modules that leave a mark when they run. Returns the mark's path."""
    mark, folder = tmp_path / "mark", tmp_path / "work"
    code = f"open({str(mark)!r}, 'a').write(__name__ + '\\n')\n"
    for name in DECOYS:
        package = folder / name
        package.mkdir(parents=True)
        (package / "__init__.py").write_text(code)
        (package / "__main__.py").write_text(code)
    monkeypatch.chdir(folder)
    # As `python -m fireside` would have it.
    monkeypatch.syspath_prepend(str(folder))
    return mark


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)


def use_engine() -> None:
    async def ask() -> None:
        engine = create("echo", EchoOptions(context_length=64, max_num_seqs=1))
        await engine.start()
        async with aclosing(engine.generate(GenerationRequest(prompt_ids=[65], max_tokens=2))) as tokens:
            assert [token async for token in tokens]
        await engine.close()

    asyncio.run(ask())


def use_grammar_checker() -> None:
    checker = GrammarChecker()
    assert checker.fault(json_grammar({"type": "object"})) == ""
    checker.close()


def render_template() -> TemplateRenderer:
    renderer = TemplateRenderer()
    rendered = renderer.render(Job("{{ messages[0].content }}", [JobMessage("user", "Hi")]))
    assert rendered.parts == [("Hi", True)]
    return renderer


def use_template_renderer() -> None:
    render_template().close()


def use_sandbox() -> None:
    asyncio.run(Sandbox(seconds=1, memory_mb=32).call("f", "() => 1", ()))


def use_pip() -> None:
    done = subprocess.run(
        [*pip.find_pip(), "--version"], env=child.environment_of_tool(), capture_output=True, text=True
    )
    assert done.stdout.startswith("pip "), done.stderr


@pytest.mark.usefixtures("children", "secrets")
@pytest.mark.parametrize("use", [use_engine, use_grammar_checker, use_template_renderer, use_sandbox, use_pip])
def test_nothing_in_the_working_directory_runs(trap: Path, use: Callable[[], None]) -> None:
    use()
    assert not trap.exists(), trap.read_text()


@pytest.mark.usefixtures("children")
@pytest.mark.parametrize("arguments", [["run", "@hf/fireside/echo", "hello"], ["pull", "@hf/nobody/no-such-model"]])
def test_nor_does_it_for_the_command(trap: Path, tmp_path: Path, arguments: list[str]) -> None:
    subprocess.run(command_line(*arguments), env=environment(tmp_path / "data"), capture_output=True, timeout=60)
    assert not trap.exists(), trap.read_text()


@pytest.mark.skipif(sys.platform != "linux", reason="another process's environment is read from /proc")
@pytest.mark.usefixtures("secrets")
def test_engines_and_checkers_see_no_secrets(children: Children) -> None:
    def look() -> None:
        (process,) = children()
        seen = psutil.Process(process.pid).environ()
        assert not set(SECRETS.values()) & set(seen.values())
        assert set(seen) <= set(child.environment({"GLIBC_TUNABLES": ""})), seen

    async def engine() -> None:
        made = create("echo", EchoOptions(context_length=64, max_num_seqs=1))
        await made.start()
        await asyncio.to_thread(look)
        await made.close()

    asyncio.run(engine())
    checker = GrammarChecker()
    assert checker.fault(json_grammar({"type": "object"})) == ""
    look()
    checker.close()
    renderer = render_template()
    look()
    renderer.close()


@pytest.mark.usefixtures("secrets")
def test_a_tool_keeps_what_it_is_set_up_with_and_sees_no_secrets_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:1/simple")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:2")
    seen = child.environment_of_tool()
    assert seen["PIP_INDEX_URL"] == "http://127.0.0.1:1/simple"
    assert seen["HTTPS_PROXY"] == "http://127.0.0.1:2"
    assert {value for value in seen.values() if value.startswith("secret")} == {"secret-6"}


def test_a_child_finds_modules_where_its_parent_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "only_here.py").write_text("import sys, json; print(json.dumps(sys.argv[1:]))")
    monkeypatch.syspath_prepend(str(tmp_path / "mine"))
    command = child.command("only_here", "a b", "--c")
    done = subprocess.run(command, env=child.environment(), capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == ["a b", "--c"]


def test_a_working_directory_that_is_gone_does_no_harm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    if sys.platform != "win32":
        gone.rmdir()
    subprocess.run(child.command("fireside.engine.host"), env=child.environment(), stdin=subprocess.DEVNULL, check=True)
    os.chdir(tmp_path)
