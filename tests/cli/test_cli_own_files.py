"""Models of the user's own files, from the catalog file to the answer."""

from pathlib import Path

import pytest

from support.command import run_command
from support.model_sources import hub_source, model_spec, write_catalog_file
from support.user_models import add_model

QUESTION = ("What is the capital of France?", "--temperature", "0")


def test_a_gguf_file_where_it_lies(smollm2_gguf: Path, tmp_path: Path) -> None:
    link = tmp_path / "mein modell \u00fc.gguf"
    link.symlink_to(smollm2_gguf)
    add_model(tmp_path, "mine", folder=link, style="chatml", stop=["<|im_end|>"])
    done = run_command("run", "mine", *QUESTION, data_dir=tmp_path)
    assert "Paris" in done.stdout, done.stderr
    assert run_command("pull", "mine", data_dir=tmp_path).stdout.endswith(f"98.4 MB in {link}\n")


def test_a_gguf_file_in_place_of_the_hubs(smollm2_gguf: Path, tmp_path: Path) -> None:
    write_catalog_file(tmp_path / "catalog", model_spec(hub_source("config.json", "model.safetensors")))
    taken = run_command("pull", "tiny", f"--from={smollm2_gguf}", data_dir=tmp_path)
    assert "@hf/someone/tiny is ready: 98.4 MB" in taken.stdout, taken.stderr
    asked = ("The capital of France is", "--raw", "--max-tokens", "8", "--temperature", "0")
    assert "Paris" in run_command("run", "tiny", *asked, data_dir=tmp_path).stdout


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("gone.gguf", "there is nothing at the source.path"),
        ("weights.safetensors", "not a .gguf file. For safetensors, name the folder that holds config.json."),
        ("several", "holds 2 GGUF files (a.gguf, b.gguf); name the one to use."),
        ("part-00002-of-00002.gguf", "name the first one, part-00001-of-00002.gguf"),
    ],
)
def test_a_path_that_leads_to_no_model(path: str, message: str, smollm2_gguf: Path, tmp_path: Path) -> None:
    (tmp_path / "several").mkdir()
    (tmp_path / "weights.safetensors").write_bytes(bytes(8))
    for name in ("several/a.gguf", "several/b.gguf", "part-00002-of-00002.gguf"):
        (tmp_path / name).symlink_to(smollm2_gguf)
    add_model(tmp_path, "mine", folder=tmp_path / path, style="chatml")
    done = run_command("run", "mine", "hi", data_dir=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert message in done.stderr.splitlines()[-1]
