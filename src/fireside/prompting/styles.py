"""Chat styles in plain Python: a conversation becomes control tokens and texts, and no text becomes a control token.

In every style a conversation that ends with the assistant is continued from there: its last turn is left open.

ChatML (OpenHermes 2.5, SmolLM2), as the models' own templates have it: every message in its place, whatever the order
of roles, then the opening of the assistant's turn, where that is not open already.

Mistral (7B Instruct v0.1 and v0.2), as `mistral_common`'s v1 tokenizer has it:

    <s>[INST] user [/INST] assistant</s>[INST] user [/INST]

One space inside each bracket and one before the assistant's text, none before `</s>`; "[INST]" is ordinary text in
this vocabulary, and each stretch between control tokens is a sentence of its own ("▁" before its first word). System
messages, wherever they stand, go before the first user text, a blank line between. Where Mistral's published Jinja
template raises on roles that do not alternate, neighbouring turns of one side are joined by a blank line; turns of one
side with a system message between stay apart; both as `mistral_common` does. A tool's answer is the user's side.

Plain: contents joined by newlines, for models without a template.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from fireside.catalog.spec import PromptSpec
from fireside.errors import InvalidInput
from fireside.prompting.messages import Message

IM_START = "<|im_start|>"
IM_END = "<|im_end|>"
BOS = "<s>"
EOS = "</s>"
BLANK_LINE = "\n\n"


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a rendered prompt.

    Args:
        text: the exact text, never empty.
        control: True: one special token. False: ordinary text, whatever it looks like.
        sentence: ordinary text that a sentencepiece vocabulary encodes as a sentence of its own.
    """

    text: str
    control: bool
    sentence: bool = False


def render(messages: Sequence[Message], spec: PromptSpec) -> list[Piece]:
    """The conversation in the model's style, up to where the assistant speaks. Neighbouring texts are one piece.

    Raises InvalidInput when there are no messages.
    """
    if not messages:
        raise InvalidInput(["messages: must hold at least one message, got none"])
    if spec.always_system and spec.default_system is not None and messages[0].role != "system":
        messages = [Message("system", spec.default_system), *messages]
    return _STYLES[spec.style].render(messages)


def turn_end(spec: PromptSpec) -> str | None:
    """The control token that ends each of the assistant's turns in the model's style, so that an answer ends there."""
    return _STYLES[spec.style].turn_end


def control_texts(spec: PromptSpec) -> frozenset[str]:
    """The control tokens that the model's style writes, and those that end its answers."""
    conversation = [Message("user", "a"), Message("assistant", "b"), Message("user", "c")]
    return frozenset(piece.text for piece in render(conversation, spec) if piece.control) | frozenset(spec.stop)


def _chatml(messages: Sequence[Message]) -> list[Piece]:
    pieces: list[Piece] = []
    for message in messages:
        pieces += [
            Piece(IM_START, control=True),
            Piece(f"{message.role}\n{message.content}", control=False),
            Piece(IM_END, control=True),
            Piece("\n", control=False),
        ]
    if messages[-1].role == "assistant":
        return pieces[:-2]  # not closed
    return [*pieces, Piece(IM_START, control=True), Piece("assistant\n", control=False)]


def _mistral(messages: Sequence[Message]) -> list[Piece]:
    pieces = [Piece(BOS, control=True)]
    turns = _mistral_turns(messages)
    said = ""
    for index, (assistant, content) in enumerate(turns):
        # A space parts this turn from the one before; after a control token the mark of a fresh sentence does.
        if said and (content or not assistant):
            said += " "
        said += content if assistant else f"[INST] {content} [/INST]"
        if assistant and index < len(turns) - 1:
            pieces += [*_sentence(said), Piece(EOS, control=True)]
            said = ""
    return [*pieces, *_sentence(said)]


def _mistral_turns(messages: Sequence[Message]) -> list[tuple[bool, str]]:
    """Turns as (assistant?, content), neighbours of one side joined and the system's text in the first user turn."""
    system = _joined(message.content for message in messages if message.role == "system")
    turns: list[tuple[bool, str]] = []
    after_system = False
    for message in messages:
        assistant = message.role == "assistant"
        if message.role == "system":
            after_system = True
            continue
        if turns and turns[-1][0] == assistant and not after_system:
            turns[-1] = (assistant, _joined((turns[-1][1], message.content)))
        else:
            turns.append((assistant, message.content))
        after_system = False
    if turns and not system:
        return turns
    for index, (assistant, content) in enumerate(turns):
        if not assistant:
            turns[index] = (False, _joined((system, content)))
            return turns
    return [(False, system), *turns]


def _joined(texts: Iterable[str]) -> str:
    return BLANK_LINE.join(text for text in texts if text)


def _sentence(text: str) -> list[Piece]:
    return [Piece(text, control=False, sentence=True)] if text else []


def _plain(messages: Sequence[Message]) -> list[Piece]:
    text = "\n".join(message.content for message in messages)
    return [Piece(text, control=False)] if text else []


@dataclass(frozen=True, slots=True)
class _Style:
    render: Callable[[Sequence[Message]], list[Piece]]
    turn_end: str | None


_STYLES = {
    "chatml": _Style(_chatml, IM_END),
    "mistral": _Style(_mistral, EOS),
    "plain": _Style(_plain, None),
}
