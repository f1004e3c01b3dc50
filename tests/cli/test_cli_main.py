import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import Result

from fireside import __version__
from fireside.cli.main import app
from fireside.settings import Settings
from support.command import run_command

Fireside = Callable[..., Result]
COMMANDS = [("serve",), ("run",), ("pull",), ("models",), ("doctor",), ("token",), ("finetune",)]


def test_the_module_and_its_exit_status(tmp_path: Path) -> None:
    done = run_command("run", "@hf/no/such-model", "hello", data_dir=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "Error: No model is called '@hf/no/such-model'. `fireside models` lists all.\n"


def test_help_imports_nothing_heavy() -> None:
    heavy = "{'numpy', 'onnxruntime', 'pydantic', 'starlette', 'sqlalchemy', 'huggingface_hub', 'rich', 'tokenizers'}"
    code = f"import sys, fireside.cli.main; sys.exit(', '.join({heavy} & set(sys.modules)) or 0)"
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_each_commands_help_has_examples(fireside: Fireside, command: tuple[str, ...]) -> None:
    result = fireside(*command, "--help")
    assert result.exit_code == 0
    assert "Examples:\n" in result.stdout
    assert f"fireside {command[0]}" in result.stdout.partition("Examples:")[2]


def test_no_arguments_teach(fireside: Fireside) -> None:
    result = fireside()
    assert "fireside serve" in result.output
    assert all(command[0] in result.output for command in COMMANDS)


def test_version(fireside: Fireside) -> None:
    assert fireside("--version").stdout == f"fireside {__version__}\n"


def test_serve_options_are_the_settings() -> None:
    commands: Any = typer.main.get_command(app)
    serve = commands.commands["serve"]
    options = {parameter.name: parameter for parameter in serve.params if parameter.name in Settings.model_fields}
    assert {"host", "port", "data_dir", "stand_in", "threads", "context_length"} <= set(options)
    del options["data_dir"]
    for name, option in options.items():
        field = Settings.model_fields[name]
        assert option.help == field.description, name
        if field.default is not None:
            assert option.show_default == str(field.default), name


@pytest.mark.parametrize("arguments", [("fly",), ("pull",), ("serve", "--port", "many")], ids=" ".join)
def test_usage_errors_have_status_2(fireside: Fireside, arguments: tuple[str, ...]) -> None:
    assert fireside(*arguments).exit_code == 2


def test_a_wrong_setting_is_named(fireside: Fireside, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIRESIDE_PORT", "99999")
    result = fireside("models")
    assert result.exit_code == 1
    assert "FIRESIDE_PORT" in result.stderr


def test_a_misspelt_setting_is_named(fireside: Fireside, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIRESIDE_PROT", "1")
    result = fireside("models")
    assert result.exit_code == 0
    assert "Did you mean FIRESIDE_PORT?" in result.stderr
