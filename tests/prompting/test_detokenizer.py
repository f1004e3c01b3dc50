"""Answers token by token: the same text as all at once, and never a broken character."""

from itertools import chain, pairwise

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer as LibraryTokenizer

from fireside.prompting import ByteTokenizer, Detokenizer, Tokenizer
from support.texts import texts

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
FIRST_BYTE = 3
"""Mistral's id of the byte token <0x00>."""

few = settings(max_examples=80, deadline=None)


def bit_by_bit(tokenizer: Tokenizer | ByteTokenizer, ids: list[int], strip: bool = True) -> list[str]:
    detokenizer = Detokenizer(tokenizer, strip)
    return [*(detokenizer.push(token_id) for token_id in ids), detokenizer.finish()]


def mistral_bytes(data: bytes) -> list[int]:
    return [FIRST_BYTE + byte for byte in data]


@few
@given(ids=st.lists(st.integers(0, 49151), max_size=12))
def test_any_byte_level_ids_give_the_librarys_text(
    ids: list[int], smollm2: Tokenizer, smollm2_library: LibraryTokenizer
) -> None:
    whole = smollm2_library.decode(ids)
    ours = "".join(bit_by_bit(smollm2, ids))
    # Only a last, incomplete character may be missing.
    assert whole.startswith(ours)
    assert whole[len(ours) :] in ("", REPLACEMENT)


pieces = st.integers(0, 31999).filter(lambda token_id: not FIRST_BYTE <= token_id < FIRST_BYTE + 256).map(lambda i: [i])
characters = st.text(min_size=1, max_size=3).map(lambda text: mistral_bytes(text.encode()))
rubbish = st.lists(st.sampled_from([0x80, 0xBF, 0xC0, 0xF8, 0xFF]), min_size=1, max_size=3).map(
    lambda data: mistral_bytes(bytes(data))
)


@few
@given(runs=st.lists(st.one_of(pieces, characters, rubbish), max_size=8), last=pieces)
def test_any_sentencepiece_ids_give_the_librarys_text(
    runs: list[list[int]], last: list[int], mistral: Tokenizer, mistral_library: LibraryTokenizer
) -> None:
    runs = [*runs, last]
    kinds = [run[0] >= FIRST_BYTE + 256 or run[0] < FIRST_BYTE for run in runs]
    # Sound and unsound bytes in one run are the documented exception, below; specials do not part a run.
    assume(not any(not a and not b for a, b in pairwise(kinds)))
    assume(all(run[0] > 2 for run in runs))
    ids = list(chain.from_iterable(runs))
    assert "".join(bit_by_bit(mistral, ids)) == mistral_library.decode(ids)


@few
@given(text=texts, cut=st.integers(0, 40), name=st.sampled_from(["smollm2", "mistral"]))
def test_a_cut_answer_is_a_beginning_of_the_text(
    text: str, cut: int, name: str, request: pytest.FixtureRequest
) -> None:
    tokenizer: Tokenizer = request.getfixturevalue(name)
    ids = tokenizer.encode(text, control=False, lead="sentence")
    everything = b"".join(map(tokenizer.token_bytes, ids)).decode(errors="replace")
    assume(everything.count(REPLACEMENT) == text.count(REPLACEMENT))  # SmolLM2 lacks the bytes of some rare characters
    text = everything.removeprefix(" " if tokenizer.strips_leading_space else "")
    said = "".join(bit_by_bit(tokenizer, ids[:cut]))
    assert text.startswith(said)
    assert said.count(REPLACEMENT) <= text.count(REPLACEMENT)


@pytest.mark.parametrize("text", ["👩‍👩‍👧‍👦", "🇫🇷", "𝔘", "ᚠᛇᚻ", "é"])
def test_a_character_of_many_tokens_comes_out_with_its_last(text: str, smollm2: Tokenizer, mistral: Tokenizer) -> None:
    for tokenizer in (smollm2, mistral, ByteTokenizer()):
        ids = tokenizer.encode(text, control=False)
        said = ""
        for token_id, new in zip(ids, bit_by_bit(tokenizer, ids), strict=False):
            said += new
            assert text.startswith(said.removeprefix(" ")), token_id
        assert said == text


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"\xf0\x9f\x91\x8d", ["", "", "", "👍"]),
        (b"\xff\xfe", [REPLACEMENT, REPLACEMENT]),
        (b"\xc3(", ["", REPLACEMENT + "("]),
        (b"\xc3", [""]),
        # The library gives five marks here; what is out is out.
        (b"\xc3\xa9\xf0\x9f\x91", ["", "é", "", "", ""]),
        (b"\xe2\x82\xff", ["", "", REPLACEMENT * 3]),
        (b"\xed\xa0\x80", ["", "", REPLACEMENT * 3]),
    ],
)
def test_byte_tokens(data: bytes, expected: list[str], mistral: Tokenizer) -> None:
    assert bit_by_bit(mistral, mistral_bytes(data)) == [*expected, ""]


def test_broken_byte_level_sequences_give_one_mark_each() -> None:
    assert "".join(bit_by_bit(ByteTokenizer(), list(b"a\xe2\x82b\xf0\x9f"))) == f"a{REPLACEMENT}b"


@pytest.mark.parametrize("strip", [True, False])
def test_the_leading_space(strip: bool, mistral: Tokenizer, smollm2: Tokenizer) -> None:
    # "▁Paris" opens both a prompt's first word and an answer that is a sentence of its own.
    paris = mistral.encode("Paris is", control=False)
    assert "".join(bit_by_bit(mistral, paris, strip)) == ("Paris is" if strip else " Paris is")
    two = mistral.encode(" Paris", control=False)
    assert "".join(bit_by_bit(mistral, two, strip)) == (" Paris" if strip else "  Paris")
    # Byte-level vocabularies put no space before a text, so none is taken away.
    assert "".join(bit_by_bit(smollm2, smollm2.encode(" Paris", control=False), strip)) == " Paris"


def test_special_tokens_are_silent_and_do_not_use_up_the_leading_space(mistral: Tokenizer) -> None:
    ids = [1, *mistral.encode("Paris", control=False), 2]
    assert "".join(bit_by_bit(mistral, ids)) == "Paris"
    assert bit_by_bit(mistral, [1, 2, -1, 10**9]) == ["", "", "", "", ""]


def test_two_answers_of_one_tokenizer_do_not_mix(mistral: Tokenizer) -> None:
    one, other = Detokenizer(mistral, True), Detokenizer(mistral, True)
    first, second, third, fourth = mistral_bytes("👍".encode())
    assert [one.push(first), other.push(first), one.push(second), one.push(third)] == [""] * 4
    assert one.push(fourth) == "👍"
    assert [other.push(second), other.push(third), other.push(fourth)] == ["", "", "👍"]
