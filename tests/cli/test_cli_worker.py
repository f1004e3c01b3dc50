import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from fireside.cli.wrangler_config import parse, replace_main
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
def test_gives_the_worker_another_main(fireside: Fireside, project: Path, name: str, text: str) -> None:
    config = project / name
    config.write_text(text, encoding="utf-8")
    said = fireside("worker", "init", str(project), "--url", "https://fireside.example.com", "--account", "team")
    assert said.exit_code == 0, said.output
    before, after = (parse(each, name.endswith("toml")) for each in (text, config.read_text(encoding="utf-8")))
    assert after == {key: value for key, value in before.items() if key != "ai"} | {"main": "fireside-ai/main.js"}
    settings = json.loads((project / "fireside-ai/fireside.json").read_bytes())
    assert settings == {"binding": "MY_AI", "url": "https://fireside.example.com", "account": "team"}
    main = (project / "fireside-ai/main.js").read_text(encoding="utf-8")
    assert main.index('from "./src/binding.js"') < main.index('from "../src/index.ts"')
    assert "MY_AI: Ai;" in (project / "fireside-ai/env.d.ts").read_text(encoding="utf-8")
    assert f"npx wrangler dev -c {config}" in said.output
    assert '-main = "src/index.ts"' in said.output or '-  "main": "src/index.ts",' in said.output


def test_comments_stay(fireside: Fireside, project: Path) -> None:
    for name, text in (("wrangler.jsonc", JSONC), ("wrangler.toml", TOML)):
        after = replace_main(text, name.endswith("toml"), "m.js")
        for comment in (
            "// the model",
            '// "ai": { "binding": "OLD" }, and a brace: {',
            "# The model.",
            "# Its name in env.",
        ):
            assert (comment in after) == (comment in text)


def test_dry_run_writes_nothing(fireside: Fireside, project: Path) -> None:
    (project / "wrangler.jsonc").write_text(JSONC, encoding="utf-8")
    said = fireside("worker", "init", "--dry-run", str(project)).output
    assert f"would write {project / 'fireside-ai/main.js'}" in said
    assert '+  "main": "fireside-ai/main.js",' in said
    assert list(contents(project)) == ["wrangler.jsonc"]


def test_dev_only_leaves_the_configuration_alone(fireside: Fireside, project: Path) -> None:
    config = project / "wrangler.toml"
    config.write_text(TOML, encoding="utf-8")
    said = fireside("worker", "init", "--dev-only", str(project))
    assert config.read_text(encoding="utf-8") == TOML
    assert "fireside-ai" in (project / "wrangler.fireside.toml").read_text(encoding="utf-8")
    assert f"-c {project / 'wrangler.fireside.toml'}\n" in said.output


def test_a_second_time_changes_nothing(fireside: Fireside, project: Path) -> None:
    (project / "wrangler.jsonc").write_text(JSONC, encoding="utf-8")
    fireside("worker", "init", str(project))
    before = contents(project)
    said = fireside("worker", "init", str(project))
    assert said.exit_code == 0
    assert f"is as it has to be. Where the server is stands in {project / 'fireside-ai/fireside.json'}" in said.output
    assert f"npx wrangler dev -c {project / 'wrangler.jsonc'}" in said.output
    assert contents(project) == before


def test_what_is_there_is_not_overwritten(fireside: Fireside, project: Path) -> None:
    (project / "wrangler.jsonc").write_text(JSONC, encoding="utf-8")
    mine = project / "fireside-ai/src/ai.js"
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
    assert "There already, and different:" in said.stderr
    assert "wrangler.fireside.jsonc" in said.stderr
    assert contents(project) == before


def test_a_project_without_configuration(fireside: Fireside, project: Path) -> None:
    said = fireside("worker", "init", str(project))
    assert "There is no wrangler configuration here" in said.output
    assert 'import { Ai } from "./fireside-ai/src/ai.js"' in said.output
    assert (project / "fireside-ai/src/ai.js").is_file()
    assert not (project / "fireside-ai/main.js").exists()


def test_a_configuration_that_is_not_text(fireside: Fireside, project: Path) -> None:
    (project / "wrangler.toml").write_bytes(b'name = "\xff"')
    before = contents(project)
    said = fireside("worker", "init", str(project))
    assert said.exit_code == 1
    assert "is not UTF-8" in said.stderr
    assert contents(project) == before


def test_environments_with_a_binding_keep_it(fireside: Fireside, project: Path) -> None:
    text = '{"name": "app", "main": "a.js", "ai": {"binding": "AI"}, "env": {"prod": {"ai": {"binding": "AI"}}}}'
    (project / "wrangler.json").write_text(text, encoding="utf-8")
    said = fireside("worker", "init", str(project)).output
    assert "keep Workers AI until it is removed: prod." in said


OLD = '"services": [{ "binding": "MY_AI", "service": "fireside-ai" }]'
"""What an earlier Fireside put in place of the ai binding."""


OURS = '{"binding": "AI", "service": "fireside-ai"}'
TABLE_B = '[[services]]\nbinding = "B"\nservice = "b"\n'


def old_project(project: Path) -> None:
    (project / "wrangler.jsonc").write_text(JSONC.replace('"ai": { "binding": "MY_AI", "remote": true }', OLD))
    variables = '{"FIRESIDE_URL": "https://fireside.example.com", "FIRESIDE_ACCOUNT": "team"}'
    files = {
        "wrangler.jsonc": f'{{ // ours\n "name": "fireside-ai", "vars": {variables} }}',
        "src/worker.js": "// old",
        "src/ai.js": "// old",
        ".dev.vars": "FIRESIDE_TOKEN=x",
    }
    for name, text in files.items():
        path = project / "fireside-ai" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_a_project_of_an_earlier_fireside(fireside: Fireside, project: Path) -> None:
    old_project(project)
    folder = contents(project / "fireside-ai")
    dry = fireside("worker", "init", "--dry-run", str(project))
    assert f"would move {project / 'fireside-ai'} to {project / 'fireside-ai.old'}" in dry.output
    assert contents(project / "fireside-ai") == folder
    said = fireside("worker", "init", str(project))
    assert said.exit_code == 0, said.output
    assert contents(project / "fireside-ai.old") == folder
    config = parse((project / "wrangler.jsonc").read_text(encoding="utf-8"), False)
    assert config["main"] == "fireside-ai/main.js"
    assert "services" not in config
    settings = json.loads((project / "fireside-ai/fireside.json").read_bytes())
    assert settings == {"binding": "MY_AI", "url": "https://fireside.example.com", "account": "team"}
    assert not (project / "fireside-ai/src/worker.js").exists()


def test_an_old_project_that_cannot_be_changed_stays_as_it_is(fireside: Fireside, project: Path) -> None:
    old_project(project)
    config = project / "wrangler.jsonc"
    config.write_text(
        config.read_text(encoding="utf-8").replace('"note"', '"no_bundle": true, "note"'), encoding="utf-8"
    )
    before = contents(project)
    said = fireside("worker", "init", str(project))
    assert said.exit_code == 1
    assert "With no_bundle" in said.stderr
    assert contents(project) == before


def test_a_main_module_that_is_gone(fireside: Fireside, project: Path) -> None:
    config = project / "wrangler.jsonc"
    config.write_text('{"main": "./fireside-ai/main.js"}', encoding="utf-8")
    said = fireside("worker", "init", str(project))
    assert "Its main, fireside-ai/main.js, is gone" in said.output
    assert "To develop" not in said.output


def test_an_old_folder_is_kept_only_once(fireside: Fireside, project: Path) -> None:
    old_project(project)
    (project / "fireside-ai.old").mkdir()
    before = contents(project)
    said = fireside("worker", "init", str(project))
    assert said.exit_code == 1
    assert "fireside-ai.old is there already" in said.stderr
    assert contents(project) == before


@pytest.mark.parametrize(
    ("text", "is_toml"),
    [
        ('{"main": "a.js", "ai": {"binding": "AI"}}', False),
        ('{"ai": {"binding": "AI"}, "main": "a.js"}', False),
        ('{"main": "a.js", "ai": {"binding": "AI"}, "services": []}', False),
        ('{"services": [{"binding": "B", "service": "b"}], "ai": {"binding": "AI"}, "main": "./a.ts"}', False),
        ('{"main": "a.js",\n"ai": {"binding": "AI"},}', False),
        ('{"ai": {"binding": "AI"} // last: ,\n, "main": "a.js" /* , */}', False),
        ('{\r\n\t"main": "a.js",\r\n\t"ai":{"binding":"AI"},\r\n\t"x": "é // \\" /*"\r\n}', False),
        ('\ufeff{"main": "a.js", "ai": {"binding": "AI"}}', False),
        ('\ufeffmain = "a.js"\n[ai]\nbinding = "AI"', True),
        ('main = "a.js"\nai = { binding = "AI" }\n', True),
        ("main = 'a.js' # mine\n[ai]\nbinding = \"AI\"", True),
        ('x = 1\r\nmain = "a.js"\r\n[ai]\r\nbinding = "AI"\r\n\r\n[vars]\r\ny = "[ai]"\r\n', True),
        (f'main = "a.js"\n{TABLE_B}\n[ai] # here\nremote = true\nbinding = "AI"\n', True),
        ('main = "a.js"\nai.binding = "AI"', True),
        ('main = """a.js"""\nai = { binding = "AI" }\n', True),
        ('note = """\n[ai]\n"""\nmain = "a.js"\n[ai]\nbinding = "AI"\n', True),
        ('main = "a.js"\n[ai]\nbinding = "AI"\n[x]\ny = 1\n[ai.more]\nz = 1\n', True),
        ('"main" = "a.js"\n["ai"]\n"binding" = "AI"\n', True),
        # As an earlier Fireside left it.
        (f'{{"main": "a.js", "services": [{OURS}]}}', False),
        (f'{{"services": [{OURS}, {{"binding": "B", "service": "b"}}], "main": "a.js"}}', False),
        (f'{{"main": "a.js", "services": [{{"binding": "B", "service": "b"}}, // two\n{OURS}]}}', False),
        (f'main = "a.js"\n{TABLE_B}[[services]]\nbinding = "AI"\nservice = "fireside-ai"\n', True),
        ('main = "a.js"\nservices = [{ binding = "AI", service = "fireside-ai" }]\n', True),
    ],
)
def test_changes_main_and_binding_and_nothing_else(text: str, is_toml: bool) -> None:
    before, after = parse(text, is_toml), parse(replace_main(text, is_toml, "fireside-ai/main.js"), is_toml)
    assert after.pop("main") == "fireside-ai/main.js"
    services = [each for each in before.pop("services", []) if each["service"] != "fireside-ai"]
    assert after.pop("services", []) == services
    before.pop("ai", None)
    before.pop("main")
    assert after == before


THEIRS = '[[services]] # theirs\nbinding = "B"\nservice = "b"\n# after theirs\n\n'
MINE = '[[services]]\n# in mine\nbinding = "AI"\nservice = "fireside-ai"\n# after mine\n\n'
LEFT = "# in mine\n# after mine\n\n"


@pytest.mark.parametrize(
    ("tables", "left"),
    [
        (MINE, LEFT),
        (MINE + THEIRS, LEFT + THEIRS),
        (THEIRS + MINE, THEIRS + LEFT),
        (THEIRS + "[x]\ny = 1\n" + MINE, THEIRS + LEFT + "[x]\ny = 1\n"),
        ('# a\n[ai] # b\n# c\nbinding = "AI" # d\n# e\n\n', "# a\n# c\n# e\n\n"),
    ],
)
def test_comments_of_tables_that_go_stay_in_their_place(tables: str, left: str) -> None:
    start, end = '# top\nmain = "{}" # mine\n', "[vars] # at last\nx = 1 # one"
    assert replace_main(start.format("a.js") + tables + end, True, "m.js") == start.format("m.js") + left + end


@pytest.mark.parametrize(
    ("text", "is_toml", "says"),
    [
        ('{"main": "a.js", "name": "x"}', False, "has no ai binding"),
        ('{"main": "a.js", "ai": {}}', False, "has no ai binding"),
        ('{"main": "a.js", "ai": {"binding": "my-ai"}}', False, "has the name 'my-ai'"),
        ('{"ai": {"binding": "AI"}}', False, "names no JavaScript or TypeScript module"),
        ('{"main": "entry.py", "ai": {"binding": "AI"}}', False, "names no JavaScript or TypeScript module"),
        ('{"main": "a.js", "ai": {"binding": "AI"}, "no_bundle": true}', False, "With no_bundle"),
        ('main = "a.js"\nx = nan\nai.binding = "AI"', True, "by hand"),
    ],
)
def test_what_it_leaves_to_people(fireside: Fireside, project: Path, text: str, is_toml: bool, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        replace_main(text, is_toml, "m.js")
    config = project / ("wrangler.toml" if is_toml else "wrangler.jsonc")
    config.write_text(text, encoding="utf-8")
    said = fireside("worker", "init", str(project))
    assert said.exit_code == 0
    assert f"{config} was not changed. " in said.output
    assert config.read_text(encoding="utf-8") == text


@pytest.mark.parametrize(
    ("name", "text"), [("wrangler.jsonc", "{"), ("wrangler.json", "[1]"), ("wrangler.toml", "x = ")]
)
def test_a_configuration_that_cannot_be_read(fireside: Fireside, project: Path, name: str, text: str) -> None:
    (project / name).write_text(text, encoding="utf-8")
    said = fireside("worker", "init", str(project))
    assert said.exit_code == 0
    assert "It cannot be read" in said.output


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
