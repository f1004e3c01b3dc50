import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from fireside.cli.wrangler_config import parse, replace_ai
from fireside.errors import ConfigError
from support.documents import ROOT

Fireside = Callable[..., Result]

JSONC = """\
{
  // "ai": { "binding": "OLD" }, and a brace: {
  "name": "app", /* "ai": {} */
  "main": "src/index.ts",
  "note": "no // comment, and no last comma ,]",
  "compatibility_date": "2026-04-21",
  "ai": { "binding": "MY_AI", "remote": true }, // the model
  "vars": { "ai": { "binding": "deeper" } },
}
"""
TOML = """\
name = "app"
main = "src/index.ts" # [ai]
compatibility_date = "2026-04-21"

# The model.
[ai]
# Its name in env.
binding = "MY_AI"

[vars]
GREETING = "hello"
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(("name", "text"), [("wrangler.jsonc", JSONC), ("wrangler.toml", TOML)])
def test_adds_the_worker_and_binds_it(fireside: Fireside, project: Path, name: str, text: str) -> None:
    config = project / name
    config.write_text(text, encoding="utf-8")
    said = fireside("worker", "init", str(project), "--url", "https://fireside.example.com", "--account", "team")
    assert said.exit_code == 0, said.output
    after = config.read_text(encoding="utf-8")
    assert parse(after, name.endswith("toml"))["services"] == [{"binding": "MY_AI", "service": "fireside-ai"}]
    gone = [line for line in text.splitlines() if line not in after.splitlines()]
    assert all("ai" in line.lower() for line in gone)
    assert len(gone) <= 2
    worker = parse((project / "fireside-ai/wrangler.jsonc").read_text(encoding="utf-8"), False)
    assert worker["vars"] == {"FIRESIDE_URL": "https://fireside.example.com", "FIRESIDE_ACCOUNT": "team"}
    assert (project / "fireside-ai" / worker["main"]).is_file()
    assert f"npx wrangler dev -c {config} -c {project / 'fireside-ai/wrangler.jsonc'}" in said.output
    assert "+" in said.output
    assert "compatibility" not in said.output.replace("compatibility_date", "", 2)


def test_dry_run_writes_nothing(fireside: Fireside, project: Path) -> None:
    (project / "wrangler.jsonc").write_text(JSONC, encoding="utf-8")
    said = fireside("worker", "init", "--dry-run", str(project)).output
    assert f"would write {project / 'fireside-ai/src/worker.js'}" in said
    assert '+  "services": [{ "binding": "MY_AI", "service": "fireside-ai" }], // the model' in said
    assert list(contents(project)) == ["wrangler.jsonc"]


def test_dev_only_leaves_the_configuration_alone(fireside: Fireside, project: Path) -> None:
    config = project / "wrangler.toml"
    config.write_text(TOML, encoding="utf-8")
    said = fireside("worker", "init", "--dev-only", str(project))
    assert config.read_text(encoding="utf-8") == TOML
    assert "fireside-ai" in (project / "wrangler.fireside.toml").read_text(encoding="utf-8")
    assert f"-c {project / 'wrangler.fireside.toml'} " in said.output


def test_a_second_time_changes_nothing(fireside: Fireside, project: Path) -> None:
    (project / "wrangler.jsonc").write_text(JSONC, encoding="utf-8")
    fireside("worker", "init", str(project))
    before = contents(project)
    said = fireside("worker", "init", str(project))
    assert said.exit_code == 0
    assert "It has no ai binding at its top level" in said.output
    assert f"-c {project / 'wrangler.jsonc'} -c" in said.output
    assert contents(project) == before


def test_what_is_there_is_not_overwritten(fireside: Fireside, project: Path) -> None:
    (project / "wrangler.jsonc").write_text(JSONC, encoding="utf-8")
    mine = project / "fireside-ai/src/worker.js"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine", encoding="utf-8")
    before = contents(project)
    said = fireside("worker", "init", str(project))
    assert said.exit_code == 1
    assert str(mine) in said.stderr
    assert contents(project) == before


def test_nor_is_an_own_configuration_for_development(fireside: Fireside, project: Path) -> None:
    (project / "wrangler.jsonc").write_text(JSONC, encoding="utf-8")
    (project / "wrangler.fireside.jsonc").write_text("{}", encoding="utf-8")
    before = contents(project)
    said = fireside("worker", "init", "--dev-only", str(project))
    assert said.exit_code == 1
    assert "wrangler.fireside.jsonc is there already" in said.stderr
    assert contents(project) == before


def test_a_project_without_configuration(fireside: Fireside, project: Path) -> None:
    said = fireside("worker", "init", str(project))
    assert "There is no wrangler configuration here" in said.output
    assert '"services": [{ "binding": "AI", "service": "fireside-ai" }]' in said.output
    assert (project / "fireside-ai/wrangler.jsonc").is_file()


def test_a_configuration_that_is_not_text(fireside: Fireside, project: Path) -> None:
    (project / "wrangler.toml").write_bytes(b'name = "\xff"')
    before = contents(project)
    said = fireside("worker", "init", str(project))
    assert said.exit_code == 1
    assert "is not UTF-8" in said.stderr
    assert contents(project) == before


def test_notes_what_it_leaves(fireside: Fireside, project: Path) -> None:
    text = '{"name": "app", "compatibility_date": "2025-01-01", "ai": {"binding": "AI"}, "env": {"prod": {"ai": {}}}}'
    (project / "wrangler.json").write_text(text, encoding="utf-8")
    said = fireside("worker", "init", str(project)).output
    assert "by hand: ['prod']" in said
    assert 'add "enhanced_error_serialization" to compatibility_flags' in said


@pytest.mark.parametrize(
    ("text", "is_toml"),
    [
        ('{"ai": {"binding": "AI"}}', False),
        ('{"ai": {"binding": "AI"}, "services": []}', False),
        ('{"services": [{"binding": "B", "service": "b"}], "ai": {"binding": "AI"}}', False),
        ('{"services": [\n  // none\n],\n"ai": {"binding": "AI"},}', False),
        ('{\r\n\t"ai":{"binding":"AI"},\r\n\t"x": "é // \\" /*"\r\n}', False),
        ('\ufeff{"ai": {"binding": "AI"}}', False),
        ('\ufeff[ai]\nbinding = "AI"', True),
        ('ai = { binding = "AI" }\n', True),
        ('[ai]\nbinding = "AI"', True),
        ('x = 1\r\n[ai]\r\nbinding = "AI"\r\n\r\n[vars]\r\ny = "[ai]"\r\n', True),
        ('[[services]]\nbinding = "B"\n\n[ai] # here\nremote = true\nbinding = "AI"\n[env.x]\ny = 1\n', True),
    ],
)
def test_changes_the_binding_and_nothing_else(text: str, is_toml: bool) -> None:
    before, after = parse(text, is_toml), parse(replace_ai(text, is_toml, "w"), is_toml)
    old, new = before.pop("services", []), after.pop("services")
    assert [service for service in new if service not in old] == [{"binding": "AI", "service": "w"}]
    assert len(new) == len(old) + 1
    del before["ai"]
    assert after == before


@pytest.mark.parametrize(
    ("text", "is_toml", "says"),
    [
        ("{", False, "cannot be read"),
        ("[1]", False, "cannot be read"),
        ("x = ", True, "cannot be read"),
        ('{"name": "x"}', False, "has no ai binding"),
        ('{"ai": {}}', False, "has no ai binding"),
        ('{"ai": {"binding": "AI"}, "services": {}}', False, "by hand"),
        ('ai.binding = "AI"', True, "by hand"),
        ('ai = { binding = "AI" }\n[[services]]\nbinding = "B"\nservice = "b"\n', True, "by hand"),
        ('note = """\n[ai]\n"""\n[ai]\nbinding = "AI"\n', True, "by hand"),
    ],
)
def test_what_it_leaves_to_people(text: str, is_toml: bool, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        replace_ai(text, is_toml, "w")


def test_the_wheel_has_the_worker(tmp_path: Path) -> None:
    """An installed fireside, away from its repository, puts the same files into a project."""
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    code = "from fireside.cli.main import app; app()"
    command = [sys.executable, "-c", code, "worker", "init", str(tmp_path / "project")]
    (tmp_path / "project").mkdir()
    environment = {"PYTHONPATH": str(tmp_path / "site"), "PATH": ""}
    subprocess.run(command, env=environment, cwd=tmp_path, check=True, capture_output=True)
    package = contents(ROOT / "clients/worker")
    assert contents(tmp_path / "project/fireside-ai") == package
    assert json.loads(package["package.json"])["name"] == "fireside-worker"


@pytest.mark.parametrize("link", ["fireside-ai", "fireside-ai/src"])
def test_nothing_is_written_through_a_symbolic_link(fireside: Fireside, tmp_path: Path, link: str) -> None:
    project, elsewhere = tmp_path / "project", tmp_path / "elsewhere"
    (project / link).parent.mkdir(parents=True)
    elsewhere.mkdir()
    (project / link).symlink_to(elsewhere, target_is_directory=True)
    result = fireside("worker", "init", str(project))
    assert result.exit_code == 1
    assert "symbolic link" in result.stderr
    assert list(elsewhere.iterdir()) == []
