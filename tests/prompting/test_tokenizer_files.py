"""Tokenizer files that are missing, broken or of a kind Fireside does not run: one clear message each."""

import json
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mistral_common.tokens.tokenizers.mistral import MistralTokenizer

from fireside.errors import BadWeights, FiresideError, UnsupportedWeights
from fireside.prompting import Tokenizer, gguf_tokenizer, open_tokenizer
from fireside.prompting.tokenizer import MAX_TOKENIZER_BYTES
from support.tiny_tokenizers import tiny_byte_level, tiny_sentencepiece

TINY = {"byte level": tiny_byte_level, "sentencepiece": tiny_sentencepiece}
UNPLEASANT = "ab <s></s><|end|> é👍 \x00▁x"

Json = dict[str, Any]


def write(folder: Path, data: object, config: object = None) -> Path:
    path = folder / "tokenizer.json"
    path.write_text(json.dumps(data), encoding="utf-8")
    if config is not None:
        (folder / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
    return path


def put(data: Json, value: object, *keys: str | int) -> Json:
    place: Any = data
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = value
    return data


@pytest.mark.parametrize("make", TINY.values(), ids=TINY)
def test_a_folder_with_tokenizer_json_opens(make: Callable[[], Json], tmp_path: Path) -> None:
    write(tmp_path, make())
    tokenizer = open_tokenizer(tmp_path)
    ids = tokenizer.encode("ab", control=False, lead="inner")
    assert b"".join(map(tokenizer.token_bytes, ids)).decode().strip() == "ab"


@pytest.mark.parametrize(
    ("config", "bos", "eos", "add_bos"),
    [
        ({}, "<s>", None, True),  # the file's own post-processor puts BOS first
        ({"bos_token": "<s>", "eos_token": "</s>", "add_bos_token": False}, "<s>", "</s>", False),
        ({"bos_token": {"content": "<s>", "special": True}, "eos_token": {"content": "</s>"}}, "<s>", "</s>", True),
        ({"bos_token": "<bos>", "add_bos_token": True}, "<bos>", None, False),  # named, but not in the vocabulary
        ({"bos_token": 7, "eos_token": ["</s>"], "add_bos_token": "yes"}, "<s>", None, True),
    ],
)
def test_tokenizer_config_names_bos_and_eos(
    config: Json, bos: str, eos: str | None, add_bos: bool, tmp_path: Path
) -> None:
    tokenizer = Tokenizer.from_file(write(tmp_path, tiny_sentencepiece(), config))
    assert tokenizer.bos_token == bos
    assert tokenizer.bos_id == {"<s>": 1}.get(bos)
    assert tokenizer.end_ids == ({2} if eos else set())
    assert tokenizer.add_bos is add_bos


def test_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(BadWeights, match=r"has no tokenizer: expected tokenizer\.json or a GGUF file"):
        open_tokenizer(tmp_path)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BadWeights, match="nowhere has no tokenizer"):
        open_tokenizer(tmp_path / "nowhere")


def test_tokenizer_model_alone(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.model").write_bytes(b"sentencepiece")
    with pytest.raises(UnsupportedWeights, match=r"has only a tokenizer\.model\. Fireside reads tokenizer\.json"):
        open_tokenizer(tmp_path)


def test_two_gguf_files(tmp_path: Path) -> None:
    for name in ("a.gguf", "b.gguf"):
        (tmp_path / name).write_bytes(b"GGUF")
    with pytest.raises(UnsupportedWeights, match=r"holds 2 GGUF files \(a\.gguf, b\.gguf\); name the one to use"):
        open_tokenizer(tmp_path)


def test_a_gguf_file_opens_by_itself_and_by_its_folder(smollm2_gguf: Path, tmp_path: Path) -> None:
    (tmp_path / "model.gguf").symlink_to(smollm2_gguf)
    by_file, by_folder = open_tokenizer(smollm2_gguf), open_tokenizer(tmp_path)
    text = "Hello, world"
    assert by_file.encode(text, control=False) == by_folder.encode(text, control=False)
    assert by_file.vocab_size == by_folder.vocab_size == 49152
    assert (by_file.bos_token, by_file.end_ids, by_file.add_bos) == ("<|im_start|>", frozenset({2}), False)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "cannot be read as JSON"),
        (b'{"model": {"type": "BPE", ', "cannot be read as JSON"),
        (b"\xff\xfe{}", "cannot be read as JSON"),
        (b'"\xff"', "cannot be read as JSON"),
        (b"[" * 100_000, "cannot be read as JSON"),
        (b"[]", "not a tokenizer file: it has no 'model' object"),
        (b"{}", "not a tokenizer file: it has no 'model' object"),
        (b'{"model": []}', "not a tokenizer file: it has no 'model' object"),
    ],
)
def test_what_is_no_tokenizer_json(content: bytes, why: str, tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_bytes(content)
    with pytest.raises(BadWeights, match=rf"^tokenizer\.json.* {why}.*Fetch (it|the model) again"):
        open_tokenizer(tmp_path)


@pytest.mark.parametrize(
    ("keys", "value", "why"),
    [
        (("model", "vocab"), {}, "'model.vocab' must map tokens to ids"),
        (("model", "vocab"), ["a"], "'model.vocab' must map tokens to ids"),
        (("model", "vocab", "a"), -1, "'model.vocab' must map tokens to ids"),
        (("model", "vocab", "a"), True, "'model.vocab' must map tokens to ids"),
        (("model", "vocab", "a"), 2**64, "not a valid tokenizer file"),
        (("model", "merges"), None, "'model.merges' must be a list"),
        (("model", "merges", 0), "ab", "'ab' in 'model.merges' is not a pair"),
        (("model", "merges", 0), [["a"], ["b"]], "in 'model.merges' is not a pair"),
        (("model", "merges", 0), "x y", "not a valid tokenizer file"),
        (("added_tokens",), {"id": 1}, "'added_tokens' must be a list of tokens with 'id' and 'content'"),
        (("added_tokens", 0, "id"), "1", "'added_tokens' must be a list of tokens with 'id' and 'content'"),
        (("added_tokens", 0, "content"), None, "'added_tokens' must be a list of tokens with 'id' and 'content'"),
        (("added_tokens", 0, "special"), "?", "not a valid tokenizer file"),
        (("added_tokens", 0, "content"), "</s>", "a token occurs twice"),
        # A text token with the id of a control token would let any user write one.
        (("model", "vocab", "ab"), 1, "two tokens share an id"),
        (("added_tokens", 2), {"id": 999, "content": "<new>"}, "not a valid tokenizer file"),
        (("added_tokens", 0, "id"), 999, "the added token '<unk>' has the id 999"),
        (("normalizer",), {"type": "Nonsense"}, "not a valid tokenizer file"),
        (
            ("model",),
            {**tiny_sentencepiece()["model"], "byte_fallback": False, "unk_token": "<gone>"},
            "not a valid tokenizer file",
        ),
    ],
)
def test_a_broken_tokenizer_json(keys: tuple[str | int, ...], value: object, why: str, tmp_path: Path) -> None:
    write(tmp_path, put(tiny_sentencepiece(), value, *keys))
    with pytest.raises(BadWeights, match=r"^tokenizer\.json is .*" + why + r".*Fetch it again\.$"):
        open_tokenizer(tmp_path)


def test_a_panic_of_the_library_is_bad_weights(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, put(tiny_sentencepiece(), "<gone>", "post_processor", "single", 0, "SpecialToken", "id"))
    with pytest.raises(BadWeights, match="not a valid tokenizer file"):
        open_tokenizer(tmp_path)


@pytest.mark.parametrize("depth", [300, 450])
def test_a_nested_tokenizer_json(depth: int, tmp_path: Path) -> None:
    nested: Json = {"type": "NFC"}
    for _ in range(depth):
        nested = {"type": "Sequence", "normalizers": [nested]}
    write(tmp_path, put(tiny_byte_level(), nested, "normalizer"))
    with pytest.raises(BadWeights, match=r"tokenizer\.json is .*Fetch it again"):
        open_tokenizer(tmp_path)


@pytest.mark.parametrize(
    ("keys", "value", "why"),
    [
        (("model", "type"), "Unigram", "has a 'Unigram' tokenizer; Fireside runs only BPE tokenizers"),
        (("decoder",), {"type": "WordPiece"}, r"a decoder that Fireside does not support \(WordPiece\)"),
        (("decoder",), None, r"a decoder that Fireside does not support \(none\)"),
    ],
)
def test_an_unsupported_tokenizer_json(keys: tuple[str | int, ...], value: object, why: str, tmp_path: Path) -> None:
    write(tmp_path, put(tiny_byte_level(), value, *keys))
    with pytest.raises(UnsupportedWeights, match=why):
        open_tokenizer(tmp_path)


def test_an_oversized_tokenizer_json_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "tokenizer.json").open("wb") as file:
        file.truncate(MAX_TOKENIZER_BYTES + 1)
    with pytest.raises(BadWeights, match=f"larger than {MAX_TOKENIZER_BYTES} bytes"):
        open_tokenizer(tmp_path)


@pytest.mark.parametrize(("content", "why"), [(b"{", "cannot be read as JSON"), (b"[]", "not a JSON object")])
def test_a_broken_tokenizer_config(content: bytes, why: str, tmp_path: Path) -> None:
    write(tmp_path, tiny_byte_level())
    (tmp_path / "tokenizer_config.json").write_bytes(content)
    with pytest.raises(BadWeights, match=rf"tokenizer_config\.json: {why}.*Fetch the model again"):
        open_tokenizer(tmp_path)


GGUF: Json = {
    "tokenizer.ggml.model": "gpt2",
    "tokenizer.ggml.pre": "smollm",
    "tokenizer.ggml.tokens": list(tiny_byte_level()["model"]["vocab"]),
    "tokenizer.ggml.token_type": np.array([1] * 257 + [3], np.int32),
    "tokenizer.ggml.merges": ["a b"],
    "tokenizer.ggml.bos_token_id": 257,
    "tokenizer.ggml.eos_token_id": 257,
}


def test_gguf_metadata_of_a_tiny_tokenizer() -> None:
    tokenizer = Tokenizer.from_gguf(GGUF)
    assert tokenizer.special_id("<|end|>") == tokenizer.bos_id == 257
    assert tokenizer.end_ids == {257}
    assert tokenizer.encode("ab<|end|>", control=True) == [256, 257]
    assert 257 not in tokenizer.encode("ab<|end|>", control=False)
    assert not tokenizer.add_bos


@pytest.mark.parametrize(
    ("key", "value", "error", "why"),
    [
        ("model", None, UnsupportedWeights, "of kind None"),
        ("model", "t5", UnsupportedWeights, "of kind 't5' .*Put the model's tokenizer.json beside the file"),
        ("model", "llama", BadWeights, "'tokenizer.ggml.scores' in its metadata is not a list of numbers"),
        ("model", np.array([1, 2]), UnsupportedWeights, "of kind array"),
        ("pre", "bloom", UnsupportedWeights, "pre-tokenizer 'bloom'"),
        ("pre", ["smollm"], UnsupportedWeights, "pre-tokenizer"),
        ("tokens", None, BadWeights, "'tokenizer.ggml.tokens' in its metadata is not a list of strings"),
        ("tokens", np.arange(258), BadWeights, "'tokenizer.ggml.tokens' in its metadata is not a list of strings"),
        ("tokens", [], BadWeights, "0 tokens, but 258 token types"),
        ("tokens", ["a"] * 258, BadWeights, "a token occurs twice"),
        ("token_type", np.array([1]), BadWeights, "258 tokens, but 1 token types"),
        ("token_type", "x" * 258, BadWeights, "'tokenizer.ggml.token_type' in its metadata is not a list of numbers"),
        ("merges", [["a", "b"]], BadWeights, "'tokenizer.ggml.merges' in its metadata is not a list of strings"),
        ("merges", ["ab"], BadWeights, "'ab' in 'model.merges' is not a pair"),
    ],
)
def test_broken_gguf_metadata(key: str, value: object, error: type[FiresideError], why: str) -> None:
    with pytest.raises(error, match=rf"^m\.gguf .*{why}"):
        Tokenizer.from_gguf({**GGUF, f"tokenizer.ggml.{key}": value}, "m.gguf")


def test_a_gguf_file_in_parts_has_its_tokenizer_in_the_first(smollm2_gguf: Path, tmp_path: Path) -> None:
    (tmp_path / "model-00001-of-00002.gguf").symlink_to(smollm2_gguf)
    (tmp_path / "model-00002-of-00002.gguf").write_bytes(b"GGUF")
    assert open_tokenizer(tmp_path).vocab_size == 49152


SENTENCEPIECE: Json = {
    "tokenizer.ggml.model": "llama",
    "tokenizer.ggml.tokens": ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁", "a", "▁a"],
    "tokenizer.ggml.token_type": np.array([2, 3, 3, *[6] * 256, 1, 1, 1], np.int32),
    "tokenizer.ggml.scores": np.zeros(262, np.float32),
}


def test_a_sentencepiece_tokenizer_in_a_gguf_file() -> None:
    tokenizer = Tokenizer.from_gguf(SENTENCEPIECE | {"tokenizer.ggml.bos_token_id": 1})
    assert tokenizer.add_bos
    assert tokenizer.encode("a é", control=False) == [261, 259, 3 + 0xC3, 3 + 0xA9]
    assert 1 not in tokenizer.encode("<s>", control=False)
    bare = Tokenizer.from_gguf(SENTENCEPIECE | {"tokenizer.ggml.add_space_prefix": False})
    assert bare.encode("a a", control=False) == [260, 261]
    assert not bare.strips_leading_space
    with pytest.raises(BadWeights, match="262 tokens, but 1 scores"):
        Tokenizer.from_gguf(SENTENCEPIECE | {"tokenizer.ggml.scores": np.zeros(1)})


@pytest.mark.parametrize("pre", ["llama-bpe", "tekken"])
def test_newer_byte_level_vocabularies_in_a_gguf_file(pre: str) -> None:
    tokenizer = Tokenizer.from_gguf(GGUF | {"tokenizer.ggml.pre": pre})
    assert tokenizer.add_bos
    assert tokenizer.encode("ab", control=False) == [256]
    # A word that is a token is one, even where no merge leads to it.
    whole = Tokenizer.from_gguf(GGUF | {"tokenizer.ggml.pre": pre, "tokenizer.ggml.merges": []})
    assert whole.encode("ab", control=False) == [256]


def test_tekkens_pattern_is_mistral_commons() -> None:
    file = next(MistralTokenizer._data_path().glob("tekken_*.json"))
    assert json.loads(file.read_text("utf-8"))["config"]["pattern"] == gguf_tokenizer.TEKKEN


junk = st.one_of(
    st.none(), st.booleans(), st.integers(-1, 300), st.sampled_from([2**31, 2**64, 1e300]),
    st.sampled_from(["", " ", "▁", "a", "ab", "</s>", "Sequence", "ByteLevel", "Metaspace", "BPE"]),
    st.sampled_from([[], {}, [[]], ["a", "b"], [["a", 1]], {"type": "Sequence"}]),
)  # fmt: skip


@st.composite
def mutated(draw: st.DrawFn) -> Json:
    """A sound tokenizer.json with up to three values replaced or taken out, anywhere in it."""
    data: Json = draw(st.sampled_from(list(TINY.values())))()
    for _ in range(draw(st.integers(1, 3))):
        place: Any = data
        while True:
            keys = list(place) if isinstance(place, dict) else list(range(len(place)))
            if not keys:
                break
            key = draw(st.sampled_from(keys))
            if isinstance(place[key], dict | list) and draw(st.booleans()):
                place = place[key]
                continue
            if draw(st.booleans()):
                place[key] = deepcopy(draw(junk))
            else:
                del place[key]
            break
    return data


@settings(max_examples=300, deadline=None)
@given(data=mutated())
def test_a_damaged_file_gives_a_clear_error_or_a_safe_tokenizer(
    data: Json, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = write(tmp_path_factory.getbasetemp(), data)
    try:
        tokenizer = Tokenizer.from_file(path)
    except FiresideError:
        return
    special = {token["id"] for token in data.get("added_tokens") or [] if token.get("special")}
    unknown = data["model"].get("unk_token")
    text_ids = tokenizer.encode(UNPLEASANT, control=False)
    assert not (set(text_ids) & special) - {data["model"]["vocab"].get(unknown)}
    for token_id in text_ids + tokenizer.encode(UNPLEASANT, control=True):
        assert 0 <= token_id < tokenizer.vocab_size
        assert isinstance(tokenizer.token_bytes(token_id), bytes)
