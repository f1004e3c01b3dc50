"""What the pages say is what the code says."""

import re
from pathlib import Path

import pytest
from tools.reference import PARTS, renewed
from typer.main import get_command

from fireside.api.http.wire_errors import WIRE_ERRORS
from fireside.catalog.loader import Catalog, load_file
from fireside.catalog.spec import FolderSource, ModelSpec, NoSource
from fireside.cli.chat import HELP
from fireside.cli.main import app
from fireside.serving.costs import cost_of
from support.documents import ROOT, examples, pages, read


@pytest.mark.parametrize("page", PARTS)
def test_parts_that_the_code_knows_best_are_up_to_date(page: str) -> None:
    assert read(page) == renewed(page, read(page)), "run: make reference"


def test_every_error_is_in_the_table() -> None:
    rows = re.findall(r"^\| (\d[\d, ]*) \| (\d[\d, ]*) \|", read("docs/api.md"), re.MULTILINE)
    documented = {
        (int(code), int(status))
        for codes, statuses in rows
        for code in codes.split(",")
        for status in statuses.split(",")
    }
    assert {(wire.code, wire.status) for wire in WIRE_ERRORS.values()} <= documented


def test_every_model_is_in_the_table(tmp_path: Path) -> None:
    text = read("docs/models.md")
    for spec in Catalog.load().all():
        if spec.retired is not None and f"| `{spec.id}`" not in text:
            continue  # the page of retired models has it, which the catalog writes
        row = next(line for line in text.splitlines() if line.startswith(f"| `{spec.id}`"))
        assert f"{spec.context_length:,}" in row
        assert ("none" in row) == isinstance(spec.source, NoSource)
        assert costs_of(spec, tmp_path) == [cell.strip().removesuffix(" GB") for cell in row.split("|")[3:6]]


def costs_of(spec: ModelSpec, nothing_here: Path) -> list[str]:
    """Download, disk and memory in GB, or "none"."""
    cost = cost_of(spec, nothing_here)
    return [f"{amount / 1e9:.1f}" if amount else "none" for amount in (cost.download, cost.disk, cost.memory)]


def test_the_readme_says_what_the_model_costs_that_it_fetches(tmp_path: Path) -> None:
    spec = Catalog.load().get("@hf/thebloke/openhermes-2.5-mistral-7b-awq")
    [said] = re.findall(
        r"That is ([\d.]+) GB to download, ([\d.]+) GB of disk and ([\d.]+) GB of memory", read("README.md")
    )
    assert list(said) == costs_of(spec, tmp_path)


def test_the_catalog_example_is_a_catalog_file(tmp_path: Path) -> None:
    (example,) = examples("docs/models.md", "toml")
    (tmp_path / "mine.toml").write_text(example, encoding="utf-8")
    assert isinstance(load_file(tmp_path / "mine.toml").source, FolderSource)


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    prose = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    for target in re.findall(r"\]\((?!https?://)([^)#]+)", prose):
        assert (page.parent / target).exists(), target


def test_readme_opens_with_what_starts_a_server() -> None:
    commands = re.findall(r"^```sh\n(.*?)\n```", read("README.md"), re.MULTILINE | re.DOTALL)
    assert commands[0].splitlines()[-1] == "make serve"
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert {"serve", "test", "lint", "bench", "docs"} <= set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))


def test_every_command_is_in_the_readme() -> None:
    listed = set(re.findall(r"^fireside (\w+)", read("README.md"), re.MULTILINE))
    assert listed == set(get_command(app).commands)  # type: ignore[attr-defined]


def test_every_command_of_a_conversation_is_on_its_page() -> None:
    text = read("docs/terminal.md")
    for command in re.findall(r"^(/\w+)", HELP, re.MULTILINE):
        assert f"`{command}" in text
