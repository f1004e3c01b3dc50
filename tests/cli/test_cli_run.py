from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from support.command import run_command

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
