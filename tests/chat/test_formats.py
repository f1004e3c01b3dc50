"""What the styles write, spelled out: roles in any order, empty contents, and texts that look like control tokens."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fireside.catalog.spec import PromptSpec
from fireside.errors import InvalidInput
from fireside.prompting import Message, Piece, Role, render
from support.texts import texts

CHATML = PromptSpec(style="chatml", default_system="Be kind.")
SMOLLM2 = PromptSpec(style="chatml", default_system="Be kind.", always_system=True)
MISTRAL = PromptSpec(style="mistral")
PLAIN = PromptSpec(style="plain")
ROLES: tuple[Role, ...] = ("system", "user", "assistant", "tool")
LETTERS: dict[str, Role] = {"s": "system", "u": "user", "a": "assistant", "t": "tool"}

conversations = st.lists(st.builds(Message, st.sampled_from(ROLES), texts), min_size=1, max_size=6)


def talk(*turns: str) -> list[Message]:
    """Messages from "u:Hi": the role's first letter and the content."""
    return [Message(LETTERS[turn[0]], turn[2:]) for turn in turns]


def text(messages: list[Message], spec: PromptSpec) -> str:
    return "".join(piece.text for piece in render(messages, spec))


@pytest.mark.parametrize(
    ("turns", "expected"),
    [
        (["u:Hi"], "<|im_start|>user\nHi<|im_end|>\n"),
        (["s:Be brief.", "u:Hi"], "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n"),
        (
            ["u:", "a:", "t:"],
            "<|im_start|>user\n<|im_end|>\n<|im_start|>assistant\n<|im_end|>\n<|im_start|>tool\n<|im_end|>\n",
        ),
        (
            ["a:One", "a:Two", "t:4", "s:Late"],
            "<|im_start|>assistant\nOne<|im_end|>\n<|im_start|>assistant\nTwo<|im_end|>\n"
            "<|im_start|>tool\n4<|im_end|>\n<|im_start|>system\nLate<|im_end|>\n",
        ),
    ],
)
def test_chatml_keeps_every_message_in_its_place(turns: list[str], expected: str) -> None:
    assert text(talk(*turns), CHATML) == expected + "<|im_start|>assistant\n"


@pytest.mark.parametrize("spec", [CHATML, MISTRAL, PLAIN], ids=lambda spec: spec.style)
def test_a_last_turn_of_the_assistant_is_left_open(spec: PromptSpec) -> None:
    for turns in (["u:Count.", "a:One,"], ["s:Be brief.", "u:Count.", "a:One,"], ["u:Count.", "a:No.", "a:One,"]):
        *_, last = render(talk(*turns), spec)
        assert not last.control
        assert last.text.endswith("One,")
        # What it is given more of, it goes on with.
        longer = text(talk(*turns[:-1], turns[-1] + " two"), spec)
        assert longer == text(talk(*turns), spec) + " two"


def test_chatml_opens_the_assistants_turn_once() -> None:
    asked = "<|im_start|>user\nCount.<|im_end|>\n<|im_start|>assistant\n"
    assert text(talk("u:Count."), CHATML) == text(talk("u:Count.", "a:"), CHATML) == asked
    assert text(talk("u:Count.", "a:One,"), CHATML) == asked + "One,"


@pytest.mark.parametrize(
    ("turns", "system"),
    [(["u:Hi"], True), (["a:Hi"], True), (["u:Hi", "s:Be brief."], True), (["s:", "u:Hi"], False)],
)
def test_a_style_that_always_has_a_system_message_adds_one_unless_one_is_first(turns: list[str], system: bool) -> None:
    added = "<|im_start|>system\nBe kind.<|im_end|>\n" if system else ""
    assert text(talk(*turns), SMOLLM2) == added + text(talk(*turns), CHATML)


@pytest.mark.parametrize(
    ("turns", "expected"),
    [
        (["u:Hi"], "<s>[INST] Hi [/INST]"),
        (["u:Hi", "a:Yes?", "u:Bye"], "<s>[INST] Hi [/INST] Yes?</s>[INST] Bye [/INST]"),
        (["s:Be brief.", "u:Hi"], "<s>[INST] Be brief.\n\nHi [/INST]"),
        (["u:Hi", "s:Be brief."], "<s>[INST] Be brief.\n\nHi [/INST]"),
        (["s:One", "s:Two", "u:Hi"], "<s>[INST] One\n\nTwo\n\nHi [/INST]"),
        (["s:Be brief.", "u:"], "<s>[INST] Be brief. [/INST]"),
        (["s:", "u:Hi"], "<s>[INST] Hi [/INST]"),
        (["s:Be brief."], "<s>[INST] Be brief. [/INST]"),
        (["s:Be brief.", "a:Ok"], "<s>[INST] Be brief. [/INST] Ok"),
        (["u:One", "u:Two"], "<s>[INST] One\n\nTwo [/INST]"),
        (["u:One", "s:Be brief.", "u:Two"], "<s>[INST] Be brief.\n\nOne [/INST] [INST] Two [/INST]"),
        (["u:2+2?", "a:One", "a:Two", "u:Ok"], "<s>[INST] 2+2? [/INST] One\n\nTwo</s>[INST] Ok [/INST]"),
        (["u:2+2?", "t:4"], "<s>[INST] 2+2?\n\n4 [/INST]"),
        (["a:Hello!", "u:Hi"], "<s>Hello!</s>[INST] Hi [/INST]"),
        (["u:Count.", "a:One, two"], "<s>[INST] Count. [/INST] One, two"),
        (["u:Hi", "a:", "u:Bye"], "<s>[INST] Hi [/INST]</s>[INST] Bye [/INST]"),
        (["u:"], "<s>[INST]  [/INST]"),
        (["s:"], "<s>[INST]  [/INST]"),
        (["a:"], "<s>"),
    ],
)
def test_mistral_takes_any_order_of_roles(turns: list[str], expected: str) -> None:
    assert text(talk(*turns), MISTRAL) == expected


def test_plain_joins_contents() -> None:
    assert render(talk("s:One", "u:Two", "a:"), PLAIN) == [Piece("One\nTwo\n", control=False)]
    assert render(talk("u:"), PLAIN) == []


@pytest.mark.parametrize("spec", [CHATML, SMOLLM2, MISTRAL, PLAIN], ids=lambda spec: spec.style)
def test_no_messages_is_an_error(spec: PromptSpec) -> None:
    with pytest.raises(InvalidInput, match="messages: must contain at least one message, got none"):
        render([], spec)


@given(messages=conversations, style=st.sampled_from(["chatml", "mistral", "plain"]))
def test_pieces_are_never_empty_and_control_tokens_come_from_the_style_alone(
    messages: list[Message], style: str
) -> None:
    spec = PromptSpec(style=style)
    pieces = render(messages, spec)
    assert all(piece.text for piece in pieces)
    # The same conversation with every "<" gone has the same control tokens: none was in a content.
    tame = [Message(message.role, message.content.replace("<", "(")) for message in messages]
    assert [piece.text for piece in pieces if piece.control] == [
        piece.text for piece in render(tame, spec) if piece.control
    ]


@given(messages=conversations)
def test_every_content_is_in_the_prompt(messages: list[Message]) -> None:
    for spec in (CHATML, MISTRAL, PLAIN):
        prompt = text(messages, spec)
        assert all(message.content in prompt for message in messages)
