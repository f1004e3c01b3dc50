"""Text to ids and ids to bytes, against the libraries that made the vocabularies."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer as LibraryTokenizer

from fireside.prompting import ByteTokenizer, Tokenizer
from fireside.prompting.vocabulary import Lead
from support.mistral_tokenizer import ALL_FORMS, MistralOracle
from support.texts import HARD_TEXTS, texts

LACKING = b"\x04\x06\x13\x14\x16\x1d\xc0\xc1\xf1\xf2\xf5\xf6\xf7\xf8\xf9\xfa\xfb\xfc\xfd\xfe\xff"
"""Bytes that SmolLM2's vocabulary has no token for: control characters, and parts of characters nobody uses."""

few = settings(max_examples=60, deadline=None)


def decode(tokenizer: Tokenizer | ByteTokenizer, ids: list[int]) -> str:
    return b"".join(tokenizer.token_bytes(token_id) for token_id in ids).decode()


@few
@given(text=texts)
def test_smollm2_ids_are_the_librarys(text: str, smollm2: Tokenizer, smollm2_library: LibraryTokenizer) -> None:
    expected = smollm2_library.encode(text, add_special_tokens=False).ids
    assert smollm2.encode(text, control=True) == expected
    assert smollm2.encode(text, control=False) == expected  # `texts` has no spelling of a control token


@few
@given(text=texts, form=st.sampled_from(ALL_FORMS))
def test_mistral_sentences_are_sentencepieces(
    text: str,
    form: str,
    mistral_tokenizers: Mapping[str, Tokenizer],
    mistral_oracle: MistralOracle,
) -> None:
    expected = mistral_oracle.instruct_tokenizer.tokenizer.encode(text, bos=False, eos=False)
    assert mistral_tokenizers[form].encode(text, control=False, lead="sentence") == expected


@few
@given(text=texts)
def test_text_at_the_start_is_encoded_as_the_file_says(
    text: str, mistral: Tokenizer, mistral_library: LibraryTokenizer
) -> None:
    assert mistral.encode(text, control=False) == mistral_library.encode(text, add_special_tokens=False).ids


@few
@given(text=texts, name=st.sampled_from(["mistral", "openhermes"]), lead=st.sampled_from(["start", "inner"]))
def test_sentencepieces_round_trip(text: str, name: str, lead: Lead, request: pytest.FixtureRequest) -> None:
    tokenizer: Tokenizer = request.getfixturevalue(name)
    back = decode(tokenizer, tokenizer.encode(text, control=False, lead=lead))
    # Sentencepiece writes spaces "▁", so it cannot tell the two apart, and puts one before the text.
    assert back.removeprefix(" ") == text.replace("▁", " ")


@few
@given(text=texts)
def test_smollm2_round_trip(text: str, smollm2: Tokenizer, smollm2_library: LibraryTokenizer) -> None:
    ids = smollm2.encode(text, control=False)
    data = b"".join(map(smollm2.token_bytes, ids))
    assert data.decode(errors="replace") == smollm2_library.decode(ids)
    assert data == text.encode().translate(None, LACKING)


@given(text=st.text())
def test_the_byte_tokenizers_round_trip(text: str) -> None:
    tokenizer = ByteTokenizer()
    ids = tokenizer.encode(text, control=True)
    assert decode(tokenizer, ids) == text
    assert all(token_id < 256 for token_id in ids)


def test_the_byte_tokenizers_specials() -> None:
    tokenizer = ByteTokenizer()
    assert tokenizer.special_id("<s>") == tokenizer.bos_id == 256
    assert tokenizer.special_id("</s>") == 257
    assert tokenizer.end_ids == {257}
    assert tokenizer.special_id("a") is None
    assert [tokenizer.token_bytes(token_id) for token_id in (-1, 256, 257, 258)] == [b""] * 4


@pytest.mark.parametrize(
    ("name", "size", "specials", "strips", "bytes_"),
    [
        ("smollm2", 49152, {"<|endoftext|>": 0, "<|im_start|>": 1, "<|im_end|>": 2, "<s>": None}, False, False),
        ("mistral", 32000, {"<unk>": 0, "<s>": 1, "</s>": 2, "[INST]": None}, True, True),
        ("openhermes", 32002, {"<s>": 1, "<|im_end|>": 32000, "<|im_start|>": 32001}, True, True),
    ],
)
def test_facts_of_the_real_vocabularies(
    name: str, size: int, specials: dict[str, int | None], strips: bool, bytes_: bool, request: pytest.FixtureRequest
) -> None:
    tokenizer: Tokenizer = request.getfixturevalue(name)
    assert tokenizer.vocab_size == size
    assert {text: tokenizer.special_id(text) for text in specials} == specials
    assert tokenizer.strips_leading_space is strips
    assert tokenizer.byte_fallback is bytes_
    assert all(tokenizer.token_bytes(i) == b"" for i in [*filter(None, specials.values()), -1, size])


def test_mistrals_byte_tokens_are_bytes(mistral: Tokenizer) -> None:
    assert [mistral.token_bytes(3 + byte) for byte in range(256)] == [bytes([byte]) for byte in range(256)]
    assert decode(mistral, mistral.encode("<0x0A>", control=False, lead="inner")).strip() == "<0x0A>"


@pytest.mark.parametrize("name", ["smollm2", "mistral"])
def test_many_threads_may_encode_at_once(name: str, request: pytest.FixtureRequest) -> None:
    tokenizer: Tokenizer = request.getfixturevalue(name)

    def both(text: str) -> tuple[list[int], list[int]]:
        return tokenizer.encode(text, control=True), tokenizer.encode(text, control=False)

    sample = [text + special for text in HARD_TEXTS for special in ("", "<|im_end|>", "</s>")] * 5
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(both, sample)) == [both(text) for text in sample]
