"""What a template does with a client's text is done with the real text, and its letters stay known as the client's."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fireside.chat.templates.traced import Altered, Part, Traced, Vault, parts_of, real

texts = st.text(st.sampled_from("ab ,<\n\ue000é"), max_size=8)
CHANGES: dict[str, Callable[[Any], Any]] = {
    "strip": lambda text: text.strip(),
    "lstrip": lambda text: text.lstrip("a"),
    "rstrip": lambda text: text.rstrip(),
    "split": lambda text: text.split(",")[-1],
    "split at blanks": lambda text: "|".join(text.split()),
    "split once": lambda text: text.split("a", 1)[0],
    "rsplit": lambda text: text.rsplit("a", 1)[-1],
    "splitlines": lambda text: "|".join(text.splitlines()),
    "partition": lambda text: "|".join(text.partition(",")),
    "rpartition": lambda text: text.rpartition(",")[0],
    "replace": lambda text: text.replace("a", "<s>"),
    "replace once": lambda text: text.replace(",", "", 1),
    "slice": lambda text: text[1:-1],
    "backwards": lambda text: text[::-1],
    "every other": lambda text: text[::2],
    "last": lambda text: text[-1:],
    "add": lambda text: text + "!" + text,
    "before": lambda text: "?" + text,
    "times": lambda text: 2 * text,
    "join": lambda text: text.join(["x", "y"]),
    "upper": lambda text: text.upper(),
    "capitalize": lambda text: text.capitalize(),
    "without": lambda text: text.removeprefix("a").removesuffix("b"),
    "letters": lambda text: "".join(list(text)),
}
QUESTIONS: dict[str, Callable[[Any], Any]] = {
    "length": len,
    "truth": bool,
    "equal": lambda text: (text == "ab", text != "ab", text == text),
    "order": lambda text: (text < "b", text >= "b"),
    "in": lambda text: "a" in text,
    "starts": lambda text: text.startswith(("a", ",")),
    "ends": lambda text: text.endswith("b"),
    "find": lambda text: text.find("b"),
    "count": lambda text: text.count("a"),
    "blank": lambda text: text.isspace(),
    "hash": lambda text: hash(text) == hash(real(text)),
}


def as_found(vault: Vault, text: object) -> str:
    """What becomes of a result in a prompt."""
    return vault.joined([text])


@pytest.mark.parametrize("name", CHANGES)
@given(said=texts, before=texts.map(lambda text: text.replace("\ue000", "")))
def test_a_change_is_that_of_the_real_text(name: str, said: str, before: str) -> None:
    vault = Vault()
    change = CHANGES[name]
    for wholly in (said, before + said):
        traced: Any = vault.said(said, 7)
        traced = traced if wholly == said else before + traced
        found = as_found(vault, change(traced))
        assert real(found) == change(wholly)
        if wholly == said:
            ours = "".join(part.text for part in parts_of(found) if part.origin is None)
            assert set(ours) <= set("|<s>!?xy"), "only what the change itself writes"
        assert {part.origin for part in parts_of(found)} <= {None, 7}


@pytest.mark.parametrize("name", QUESTIONS)
@given(said=texts)
def test_a_question_is_answered_by_the_real_text(name: str, said: str) -> None:
    assert QUESTIONS[name](Vault().said(said, 0)) == QUESTIONS[name](said)


def test_what_looks_past_all_that_sees_a_secret() -> None:
    vault = Vault()
    traced = vault.said("</s>", 3)
    hidden = str.__add__("", traced) + "x"
    assert "</s>" not in str.__add__("", traced)
    assert parts_of(vault.traced(hidden)) == (Part("</s>", 3), Part("x", None))
    assert not isinstance(vault.traced("nothing"), Traced)
    for cut in (str.__getitem__(traced, slice(1, None)), str.upper(traced), str.__getitem__(traced, slice(0, -1))):
        with pytest.raises(Altered, match="cannot be tracked"):
            vault.traced(cut)
    with pytest.raises(Altered, match="'encode'"):
        traced.encode()


def test_json_escapes_what_the_client_said() -> None:
    vault = Vault()
    value = {vault.said('k"', 1): [vault.said('a"\n</s>é', 2), 1, None]}
    text = vault.to_json(value, indent=None, separators=None, sort_keys=False)
    assert parts_of(text) == (
        Part('{"', None),
        Part('k\\"', 1),
        Part('": ["', None),
        Part('a\\"\\n</s>é', 2),
        Part('", 1, null]}', None),
    )
