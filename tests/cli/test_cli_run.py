import os
import re
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from fireside.cli.client import states
from fireside.running import running_servers
from support.command import command_line, environment, run_command
from support.model_sources import hub_source, model_spec, write_catalog_file
from support.serving import serving
from support.user_models import add_model

Fireside = Callable[..., Result]


def test_the_answer_is_all_that_standard_output_gets(tmp_path: Path) -> None:
    done = run_command("run", "echo", "Say this back: caf\u00e9 \U0001f525", data_dir=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "Say this back: caf\u00e9 \U0001f525\n"


def test_max_tokens_and_standard_input(tmp_path: Path) -> None:
    done = run_command("run", "@hf/fireside/echo", "--max-tokens", "4", data_dir=tmp_path, stdin="from a pipe")
    assert (done.returncode, done.stdout) == (0, "from\n")


def test_a_system_message(tmp_path: Path) -> None:
    done = run_command("run", "echo", "-", "--system", "Be brief.", data_dir=tmp_path, stdin="hello")
    assert done.returncode == 0
    assert "hello" in done.stdout


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [("--temperature", "9", "temperature"), ("--max-tokens", "0", "max_tokens"), ("--seed", "-1", "seed")],
)
def test_bounds_are_the_apis(fireside: Fireside, option: str, value: str, message: str) -> None:
    result = fireside("run", "echo", "hi", option, value)
    assert result.exit_code == 1
    assert result.stderr.startswith(f"Error: {message}: ")


def test_an_empty_prompt(fireside: Fireside) -> None:
    result = fireside("run", "echo")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: prompt: ")


def test_a_model_that_is_not_here(fireside: Fireside) -> None:
    result = fireside("run", "smollm2-135m-instruct", "hi", "--no-pull")
    assert result.exit_code == 1
    assert result.stderr.endswith("Run: fireside pull @hf/huggingfacetb/smollm2-135m-instruct\n")


def state(data_dir: Path) -> dict[str, Any]:
    [(_, said)] = states(data_dir)
    return said


@pytest.mark.parametrize("with_tokens", [False, True])
def test_a_server_that_runs_answers(with_tokens: bool, tmp_path: Path) -> None:
    if with_tokens:
        assert run_command("token", "create", data_dir=tmp_path).returncode == 0
    with serving(tmp_path, "echo"):
        done = run_command("run", "echo", "Say this back: caf\u00e9", data_dir=tmp_path)
        assert (done.returncode, done.stdout, done.stderr) == (0, "Say this back: caf\u00e9\n", "")
        [model] = state(tmp_path)["models"]
        assert model["stats"]["generated_tokens"] > 10
        wrong = run_command("run", "echo", "hi", "--max-tokens", "300000", data_dir=tmp_path)
        assert (wrong.returncode, wrong.stdout) == (1, "")
        assert wrong.stderr.startswith("Error: This model's maximum context length is 262144 tokens.")


def test_no_server_means_none(tmp_path: Path) -> None:
    with serving(tmp_path, "echo"):
        run_command("stop", "echo", data_dir=tmp_path)
        assert run_command("run", "echo", "hi", "--no-server", data_dir=tmp_path).stdout == "hi\n"
        assert run_command("run", "echo", "hi", "--threads", "1", data_dir=tmp_path).stdout == "hi\n"
        assert state(tmp_path)["models"] == []


def test_a_server_that_does_not_know_the_model_is_not_asked(tmp_path: Path) -> None:
    with serving(tmp_path, "echo"):
        add_model(tmp_path, "newer")
        assert run_command("run", "newer", "hi", data_dir=tmp_path).stdout == "hi\n"


def test_a_server_that_goes_away_in_mid_answer(tmp_path: Path) -> None:
    with serving(tmp_path, "echo", FIRESIDE_ECHO_TOKENS_PER_SECOND="20"):
        [server] = running_servers(tmp_path)
        command = command_line("run", "echo", "and on " * 100, "--max-tokens", "700")
        with subprocess.Popen(
            command, env=environment(tmp_path), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            assert process.stdout.read(1) == "a"
            os.kill(server.pid, signal.SIGKILL)
            errors = process.communicate()[1]
        assert process.returncode == 1
        assert errors.splitlines()[-1].startswith(f"Error: The server at {server.url} went away:")
        assert "Traceback" not in errors


@pytest.mark.parametrize("command", ["run", "serve"])
def test_what_cannot_fit_is_not_fetched(command: str, tmp_path: Path) -> None:
    spec = model_spec(hub_source("config.json", "model.safetensors"))
    write_catalog_file(tmp_path / "catalog", spec)
    file = tmp_path / "catalog" / "tiny.toml"
    sizes = {"vocab_size": 128000, "hidden_size": 16384, "intermediate_size": 53248, "num_hidden_layers": 126}
    heads = {"num_attention_heads": 128, "num_key_value_heads": 8}
    table = "".join(f"{name} = {value}\n" for name, value in (sizes | heads).items())
    file.write_text(f"{file.read_text()}\n[architecture]\n{table}")
    arguments = ["tiny", "hi"] if command == "run" else ["tiny", "--port", "0"]
    done = run_command(command, *arguments, data_dir=tmp_path, HF_ENDPOINT="http://127.0.0.1:1")
    assert done.returncode == 1
    assert re.search(r"@hf/someone/tiny needs about \d+\.\d GB of memory, and this machine has", done.stderr)
    assert not list((tmp_path / "models").glob("tiny*/*"))
