"""Which tokens end an answer: the style's own, those of the catalog file, and those that the model's files name."""

import json
from pathlib import Path
from typing import Any

import pytest
from gguf import GGUFWriter

from fireside.catalog.spec import PromptSpec
from fireside.errors import BadWeights, UnsupportedWeights
from fireside.prompting import ByteTokenizer, open_tokenizer, stop_ids
from support.tiny_tokenizers import tiny_byte_level, tiny_sentencepiece, with_tokens

END, START, TURN = 257, 258, 259
PLAIN, CHATML, MISTRAL = (PromptSpec(style=style) for style in ("plain", "chatml", "mistral"))


def folder(path: Path, tokenizer: dict[str, Any] | None = None, **files: object) -> Path:
    if tokenizer is None:
        tokenizer = with_tokens(tiny_byte_level(), "<|im_start|>", "<|im_end|>")
    for name, content in {"tokenizer": tokenizer, **files}.items():
        (path / f"{name}.json").write_text(json.dumps(content))
    return path


@pytest.mark.parametrize(
    ("spec", "tokenizer", "expected"),
    [
        (CHATML, None, [TURN]),
        (CHATML, tiny_byte_level(), []),
        (MISTRAL, tiny_sentencepiece(), [2]),
        (PLAIN, None, []),
        (PLAIN.model_copy(update={"stop": ("<|end|>", "<|im_start|>")}), None, [END, START]),
        (CHATML.model_copy(update={"stop": ("<|end|>", "<|im_end|>")}), None, [TURN, END]),
    ],
)
def test_the_style_and_the_catalog_file(
    spec: PromptSpec, tokenizer: dict[str, Any] | None, expected: list[int], tmp_path: Path
) -> None:
    assert stop_ids(spec, open_tokenizer(folder(tmp_path, tokenizer))) == expected


def test_a_token_that_the_tokenizer_lacks(tmp_path: Path) -> None:
    spec = PromptSpec(style="plain", stop=("<|end|>", "</s>"))
    with pytest.raises(UnsupportedWeights, match=r"has no token '</s>', which prompt\.stop"):
        stop_ids(spec, open_tokenizer(folder(tmp_path)))


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"config": {"eos_token_id": END}}, [END]),
        ({"config": {"eos_token_id": [END, START]}}, [END, START]),
        ({"config": {"eos_token_id": None}, "generation_config": {}}, []),
        ({"generation_config": {"eos_token_id": START}}, [START]),
        ({"config": {"eos_token_id": END}, "generation_config": {"eos_token_id": [START, 5000, -1]}}, [END, START]),
        ({"tokenizer_config": {"eos_token": "<|end|>"}}, [END]),
        ({"tokenizer_config": {"eos_token": {"content": "<|end|>", "lstrip": False}}}, [END]),
        ({"tokenizer_config": {"eos_token": "</s>"}}, []),
        ({"special_tokens_map": {"eos_token": {"content": "<|im_start|>"}}}, [START]),
        ({"config": {"eos_token_id": 0}, "special_tokens_map": {"eos_token": "<|end|>"}}, [0, END]),
    ],
)
def test_the_models_own_files(files: dict[str, Any], expected: list[int], tmp_path: Path) -> None:
    tokenizer = open_tokenizer(folder(tmp_path, **files))
    assert sorted(tokenizer.end_ids) == expected
    assert stop_ids(PLAIN, tokenizer) == expected
    assert stop_ids(CHATML, tokenizer) == [TURN, *expected]


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("config", {"eos_token_id": "257"}, r"config\.json: eos_token_id is 257, not a token id"),
        ("generation_config", {"eos_token_id": [True]}, r"generation_config\.json: eos_token_id is \[True\]"),
        ("generation_config", [], r"generation_config\.json: not a JSON object"),
        ("special_tokens_map", [], r"special_tokens_map\.json: not a JSON object"),
    ],
)
def test_files_that_make_no_sense_are_named(name: str, content: Any, why: str, tmp_path: Path) -> None:
    with pytest.raises(BadWeights, match=why):
        open_tokenizer(folder(tmp_path, **{name: content}))


@pytest.mark.parametrize("beside", [False, True])
def test_gguf_names_three_kinds(beside: bool, tmp_path: Path) -> None:
    """Also where the folder has a tokenizer.json, which is then the one that is read."""
    tokenizer = with_tokens(tiny_byte_level(), "<|eot|>", "<|eom|>")
    vocab = tokenizer["model"]["vocab"]
    writer = GGUFWriter(tmp_path / "model.gguf", "llama")
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(list(vocab))
    writer.add_token_types([3 if token.startswith("<|") else 1 for token in vocab])
    writer.add_token_merges(["a b"])
    writer.add_eos_token_id(END)
    writer.add_eot_token_id(258)
    writer.add_eom_token_id(259)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    if beside:
        folder(tmp_path, tokenizer)
    assert open_tokenizer(tmp_path).end_ids == {END, 258, 259}


def test_the_tokenizer_without_files() -> None:
    assert stop_ids(PLAIN, ByteTokenizer()) == [257]
