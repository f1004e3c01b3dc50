"""JSON and TOML files as editors write them: every file of a model and of an adapter, in every encoding of JSON."""

import json
from pathlib import Path

import pytest

from fireside.catalog.loader import load_file
from fireside.errors import BadWeights, CatalogError
from fireside.prompting import open_tokenizer
from fireside.weights.adapter import read_adapter
from fireside.weights.json_file import parse_json, read_json
from fireside.weights.open import open_checkpoint
from support.adapters import CONFIG, make_adapter
from support.checkpoints import make_tiny_checkpoint
from support.tiny_tokenizers import tiny_byte_level
from support.user_models import add_model

ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"]
"""Those without an ending have a byte order mark, except for UTF-8."""


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_every_file_of_a_model_and_of_an_adapter(encoding: str, tmp_path: Path) -> None:
    make_tiny_checkpoint(tmp_path, awq_group=32, vocab=258, shards=2)
    make_adapter(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "quant_config.json").write_text(json.dumps(config.pop("quantization_config")))
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "tokenizer.json").write_text(json.dumps(tiny_byte_level()))
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"eos_token": "<|end|>"}))
    (tmp_path / "special_tokens_map.json").write_text(json.dumps({"eos_token": "<|end|>"}))
    (tmp_path / "generation_config.json").write_text(json.dumps({"eos_token_id": 5}))
    files = sorted(tmp_path.glob("*.json"))
    names = "config.json quant_config.json model.safetensors.index.json tokenizer.json tokenizer_config.json"
    names += " special_tokens_map.json generation_config.json"
    assert {file.name for file in files} == {*names.split(), CONFIG}
    for file in files:
        file.write_bytes(file.read_text("utf-8").encode(encoding))
    assert open_checkpoint(tmp_path).coding("layers.0.self_attn.q_proj") is not None
    assert open_tokenizer(tmp_path).end_ids == {5, 257}
    assert len(read_adapter(tmp_path).modules) == 4


def test_a_catalog_file_with_a_byte_order_mark(tmp_path: Path) -> None:
    model = add_model(tmp_path, "marked")
    path = tmp_path / "catalog" / "marked.toml"
    path.write_text(path.read_text("utf-8"), "utf-8-sig")
    assert load_file(path).id == model
    path.write_text(path.read_text("utf-8-sig"), "utf-16")
    with pytest.raises(CatalogError, match="not UTF-8, which TOML files are"):
        load_file(path)


@pytest.mark.parametrize("content", [b"", b"\xff{}", b"\xff\xfe{", b'{"a": 1, "a": 2}', b"[" * 100_000, b'["\\ud800"]'])
def test_what_is_no_json_is_said_so(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(BadWeights, match=r"^config\.json: cannot be read as JSON: ") as caught:
        read_json(tmp_path / "config.json")
    str(caught.value).encode()


def test_characters_in_two_halves_are_whole() -> None:
    assert parse_json(b'["\\ud83d\\udd25", "\\\\ud800"]') == ["\U0001f525", "\\ud800"]
