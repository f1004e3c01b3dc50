"""`fireside finetune` on a data folder, and how a running server sees what it did."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from support.adapters import CONFIG, WEIGHTS, adapter_config, adapter_tensors, make_adapter
from support.checkpoints import make_tiny_checkpoint
from support.file_server import file_server
from support.model_sources import REPO, serve_repository

Fireside = Callable[..., Result]
TINY = "@hf/test/tiny"


@pytest.fixture
def tiny(data_dir: Path) -> str:
    """A tiny base model of the catalog that takes LoRA; its files lie in the data folder."""
    make_tiny_checkpoint(data_dir / "tiny")
    (data_dir / "catalog").mkdir()
    (data_dir / "catalog" / "tiny.toml").write_text(
        f'id = "{TINY}"\nlora = true\ncontext_length = 512\n'
        '[source]\nkind = "folder"\npath = "../tiny"\n[prompt]\nstyle = "plain"\n[engine]\nkind = "onnx"\n'
        '[architecture]\nmodel_type = "mistral"\n'
    )
    return "tiny"


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    return make_adapter(tmp_path / "adapter")


def test_create_show_list_replace_delete(fireside: Fireside, tiny: str, adapter: Path, tmp_path: Path) -> None:
    assert "There are no fine-tunes" in fireside("finetune", "list").stderr
    made = fireside("finetune", "create", "pirate", str(adapter), "--model", tiny)
    assert made.exit_code == 0, made.stderr
    assert made.stdout.startswith("pirate is ready (id ")
    assert f'In a request to {TINY}: "lora": "pirate"' in made.stdout
    shown = fireside("finetune", "show", "pirate").stdout
    assert f"model         {TINY}" in shown
    assert "status        ready: " in shown
    assert CONFIG in shown
    assert "ready" in fireside("finetune", "list").stdout

    again = fireside("finetune", "create", "pirate", str(adapter), "--model", tiny)
    assert again.exit_code == 1
    assert "'pirate' already" in again.stderr
    other = make_adapter(tmp_path / "other", adapter_config(lora_alpha=1), adapter_tensors(seed=5))
    assert fireside("finetune", "create", "pirate", str(other), "--replace").exit_code == 0
    assert fireside("finetune", "list").stdout.count("pirate") == 1

    assert fireside("finetune", "delete", "pirate").stdout.startswith("Deleted pirate (")
    assert fireside("finetune", "show", "pirate").exit_code == 1
    assert fireside("finetune", "delete", "pirate").exit_code == 1


def test_an_adapter_of_another_base_leaves_nothing(fireside: Fireside, tiny: str, tmp_path: Path) -> None:
    for number, (config, tensors, reason) in enumerate(
        (
            (None, adapter_tensors(layers=3), "is for layer 2; the model has 2 layers"),
            (adapter_config(model_type="llama"), None, "model_type is 'llama'"),
        )
    ):
        folder = make_adapter(tmp_path / str(number), config, tensors)
        result = fireside("finetune", "create", "pirate", str(folder), "--model", tiny)
        assert result.exit_code == 1
        assert reason in result.stderr
        assert "There are no fine-tunes" in fireside("finetune", "list").stderr


def test_a_folder_without_the_files_says_which(fireside: Fireside, tiny: str, tmp_path: Path) -> None:
    result = fireside("finetune", "create", "pirate", str(tmp_path), "--model", tiny)
    assert f"has no {CONFIG} and no {WEIGHTS}" in result.stderr
    result = fireside("finetune", "create", "pirate", "not/a/repo", "--model", tiny)
    assert "neither a folder nor a Hugging Face repository" in result.stderr


def test_from_a_hugging_face_repository(
    fireside: Fireside, tiny: str, adapter: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with file_server() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        serve_repository(hub, {name: (adapter / name).read_bytes() for name in (CONFIG, WEIGHTS)})
        result = fireside("finetune", "create", "poet", REPO, "--model", tiny)
        assert result.exit_code == 0, result.stderr
        assert f"Downloading {WEIGHTS}" in result.stderr
        assert "ready" in fireside("finetune", "show", "poet").stdout
        missing = fireside("finetune", "create", "other", "no/such", "--model", tiny)
        assert missing.exit_code == 1
        assert "no/such" in missing.stderr


def test_a_model_without_lora(fireside: Fireside, adapter: Path) -> None:
    result = fireside("finetune", "create", "x", str(adapter), "--model", "openhermes-2.5-mistral-7b-awq")
    assert result.exit_code == 1
    assert "does not support LoRA" in result.stderr


def test_test_needs_a_fine_tune_that_is_whole(fireside: Fireside) -> None:
    result = fireside("finetune", "test", "nobody", "hi")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "no fine-tune with the id or name 'nobody'" in result.stderr


def test_bad_json_is_refused(fireside: Fireside, tiny: str, adapter: Path) -> None:
    (adapter / CONFIG).write_text(json.dumps(adapter_config(use_dora=True)))
    result = fireside("finetune", "create", "x", str(adapter), "--model", tiny)
    assert result.exit_code == 1
    assert "DoRA" in result.stderr
