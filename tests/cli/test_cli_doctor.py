import json
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from fireside.cli.doctor_checks import check_memory, cpu_flags
from fireside.weights.locate import model_dir
from support.checkpoints import make_tiny_checkpoint
from support.command import run_command
from support.model_sources import hub_source, model_spec, write_catalog_file
from support.serving import serving
from support.tiny_tokenizers import tiny_byte_level, with_tokens
from support.user_models import add_model

Fireside = Callable[..., Result]
TINY = model_spec(hub_source("config.json", "model.safetensors"))


@pytest.fixture
def free_port(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIRESIDE_PORT", "0")


@pytest.mark.usefixtures("free_port")
def test_all_is_well(fireside: Fireside, data_dir: Path) -> None:
    result = fireside("doctor")
    assert result.exit_code == 0, result.stdout
    names = [line[6:18].strip() for line in result.stdout.splitlines() if line[:4].strip() in ("ok", "note")]
    assert {"python", "cpu", "memory", "disk", "data folder", "onnxruntime", "port", "gpu", "model"} <= set(names)
    assert "fireside pull @hf/huggingfacetb/smollm2-135m-instruct" in result.stdout
    assert result.stdout.endswith("No problems found.\n")
    assert not data_dir.exists()


def test_a_port_in_use(fireside: Fireside, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setenv("FIRESIDE_PORT", str(taken.getsockname()[1]))
        result = fireside("doctor")
    assert result.exit_code == 1
    (line,) = [line for line in result.stdout.splitlines() if line.startswith("bad")]
    assert "port" in line
    assert "FIRESIDE_PORT" in line
    assert result.stdout.endswith("1 problem found.\n")


@pytest.mark.usefixtures("free_port")
def test_a_data_folder_that_is_a_file(fireside: Fireside, data_dir: Path) -> None:
    data_dir.write_text("")
    result = fireside("doctor")
    assert result.exit_code == 1
    assert "-> Make it writable for you, or choose another with FIRESIDE_DATA_DIR." in result.stdout


@pytest.mark.usefixtures("free_port")
def test_a_bad_catalog_file(fireside: Fireside, data_dir: Path) -> None:
    (data_dir / "catalog").mkdir(parents=True)
    (data_dir / "catalog" / "mine.toml").write_text("id = ")
    result = fireside("doctor")
    assert result.exit_code == 1
    assert "mine.toml: not valid TOML" in result.stdout


@pytest.mark.usefixtures("free_port")
def test_a_model_damaged_on_disk(fireside: Fireside, data_dir: Path, tmp_path: Path) -> None:
    write_catalog_file(data_dir / "catalog", TINY)
    given = tmp_path / "given"
    given.mkdir()
    make_tiny_checkpoint(given)
    fireside("pull", "tiny", "--from", str(given))
    path = model_dir(data_dir, TINY) / "model.safetensors"
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(b"\xff" * len(content))
    result = fireside("doctor")
    assert result.exit_code == 1
    (line,) = [line for line in result.stdout.splitlines() if line.startswith("bad")]
    assert "model.safetensors" in line
    assert str(path.parent) in line


@pytest.mark.usefixtures("free_port")
@pytest.mark.parametrize(
    ("style", "tokens", "says"),
    [
        ("plain", ["<|im_start|>"], "1 tokens of its tokenizer have no weights"),
        ("chatml", ["<|im_start|>", "<|im_end|>"], "its style needs <|im_end|>, which it lacks"),
        ("chatml", [], "its style needs <|im_end|>, which it lacks"),
    ],
)
def test_a_tokenizer_and_weights_that_differ(
    fireside: Fireside, data_dir: Path, tmp_path: Path, style: str, tokens: list[str], says: str
) -> None:
    """The weights have the 258 tokens of the tiny tokenizer, and no more."""
    make_tiny_checkpoint(tmp_path / "model", vocab=258)
    (tmp_path / "model" / "tokenizer.json").write_text(json.dumps(with_tokens(tiny_byte_level(), *tokens)))
    add_model(data_dir, "differing", folder=tmp_path / "model", style=style)
    result = fireside("doctor")
    assert result.exit_code == 0, result.stdout
    (line,) = [line for line in result.stdout.splitlines() if "@hf/me/differing" in line]
    assert line.startswith("note")
    assert says in line


@pytest.mark.usefixtures("free_port")
def test_an_engine_that_lacks_something(fireside: Fireside, data_dir: Path) -> None:
    (data_dir / "catalog").mkdir(parents=True)
    (data_dir / "catalog" / "canned.toml").write_text(
        'id = "@cf/me/canned"\ncontext_length = 1000\nsource = { kind = "none" }\nprompt = { style = "plain" }\n'
        'engine = { kind = "replay", answers = "answers.jsonl" }\n'
    )
    result = fireside("doctor")
    assert result.exit_code == 1
    (line,) = [line for line in result.stdout.splitlines() if line.startswith("bad")]
    assert "The replay engine cannot run here. engine.answers: there is no file answers.jsonl. Create it." in line
    (data_dir / "catalog" / "answers.jsonl").write_text("")
    assert fireside("doctor").exit_code == 0


def test_cpu_flags_of_both_kinds(tmp_path: Path) -> None:
    path = tmp_path / "cpuinfo"
    path.write_text("processor\t: 0\nflags\t\t: fpu avx2 avx512_vnni\n\nprocessor\t: 1\nflags\t\t: fpu\n")
    assert cpu_flags(path) == {"fpu", "avx2", "avx512_vnni"}
    path.write_text("processor\t: 0\nFeatures\t: fp asimd asimddp\n")
    assert "asimddp" in cpu_flags(path)
    assert cpu_flags(tmp_path / "none") == frozenset()


def test_memory_is_told() -> None:
    assert check_memory().text.endswith(" GB")


def test_the_port_that_its_own_server_has(tmp_path: Path) -> None:
    with serving(tmp_path, "echo") as url:
        port = url.rpartition(":")[2]
        done = run_command("doctor", "--json", data_dir=tmp_path, FIRESIDE_PORT=port)
    [found] = [finding for finding in json.loads(done.stdout) if finding["name"] == "port"]
    assert (found["state"], found["text"]) == ("ok", f"the server of this data folder listens at {url}")
