"""Stop texts: wherever the answer is cut into pieces, what passes is what a reader of single characters would see."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from fireside.serving.stops import StopTexts

SOME = st.text("ab☀\n", max_size=30)
STOPS = st.lists(st.text("ab☀\n", min_size=1, max_size=5), max_size=4)


def passed(stops: list[str], pieces: list[str]) -> tuple[str, bool]:
    filter_ = StopTexts(stops)
    text = "".join([filter_.push(piece) for piece in pieces])
    return text + filter_.finish(), filter_.found


def by_character(stops: list[str], text: str) -> tuple[str, bool]:
    for end in range(1, len(text) + 1):
        starts = [end - len(stop) for stop in stops if text[:end].endswith(stop)]
        if starts:
            return text[: min(starts)], True
    return text, False


@given(STOPS, SOME, st.lists(st.integers(0, 30)))
def test_pieces_do_not_matter(stops: list[str], text: str, cuts: list[int]) -> None:
    edges = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    pieces = [text[start:end] for start, end in pairwise(edges)]
    assert passed(stops, pieces) == by_character(stops, text)


@given(STOPS, SOME)
def test_nothing_is_held_back_without_need(stops: list[str], text: str) -> None:
    filter_ = StopTexts(stops)
    shown = ""
    for end, character in enumerate(text, 1):
        shown += filter_.push(character)
        if filter_.found:
            return
        held = text[len(shown) : end]
        assert shown + held == text[:end]
        assert not held or any(stop.startswith(held) for stop in stops)


def test_the_one_complete_first_counts() -> None:
    assert passed(["abcd", "bc"], ["abcd"]) == ("a", True)
    assert passed(["bc", "abc"], ["xabcd"]) == ("x", True)


def test_nothing_passes_after_a_stop_text() -> None:
    filter_ = StopTexts(["END"])
    assert [filter_.push(piece) for piece in ("one E", "N", "D two", "three")] == ["one ", "", "", ""]
    assert filter_.finish() == ""
