"""What a chat format is: everything about how a family of models reads a conversation and writes an answer."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from fireside.chat.dialects import ToolDialect
from fireside.chat.messages import Message, ToolOffer
from fireside.chat.pieces import Piece
from fireside.chat.tools import HERMES

BLANK_LINE = "\n\n"


@dataclass(frozen=True, slots=True)
class Conversation:
    """What a format renders.

    Args:
        messages: at least one. What the system says besides the client's words stands in the first of them already.
        offer: tools that may be called, for formats that tell of them outside the system's turn.
        thinking: whether the model is to think before it answers.
    """

    messages: Sequence[Message]
    offer: ToolOffer | None = None
    thinking: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatFormat:
    """How a family of models reads a conversation and writes an answer.

    In every format a conversation that ends with the assistant is continued from there: its last turn is left open.

    Args:
        name: what catalog files call it.
        title: for people.
        render: the conversation up to where the assistant speaks. User text is never in a control piece.
        ends: the control tokens that end an answer. The first is what the format itself writes after one.
        default_system: system message put before an unscoped prompt, unless the catalog file has another.
        always_system: put it before conversations that bring none, too.
        has_system: whether there is a place for what the system says of tools and JSON.
        dialect: how tools are told to the model and how it calls them.
        thinking: the tags of what a model thinks before it answers, which is not part of the answer.
    """

    name: str
    title: str
    render: Callable[[Conversation], list[Piece]]
    ends: tuple[str, ...] = ()
    default_system: str | None = None
    always_system: bool = False
    has_system: bool = True
    dialect: ToolDialect = HERMES
    thinking: tuple[str, str] | None = None


def blank_lined(texts: Iterable[str]) -> str:
    """The texts with a blank line between, without the empty ones."""
    return BLANK_LINE.join(text for text in texts if text)


def two_sides(messages: Sequence[Message]) -> tuple[str, list[tuple[bool, str]]]:
    """What the system says, and the turns as (assistant?, content) for formats that have two sides.

    Neighbouring turns of one side are joined by a blank line; those with a system message between stay apart (as
    `mistral_common` does). A tool's answer is the user's side.
    """
    system = blank_lined(message.content for message in messages if message.role == "system")
    turns: list[tuple[bool, str]] = []
    after_system = False
    for message in messages:
        assistant = message.role == "assistant"
        if message.role == "system":
            after_system = True
            continue
        if turns and turns[-1][0] == assistant and not after_system:
            turns[-1] = (assistant, blank_lined((turns[-1][1], message.content)))
        else:
            turns.append((assistant, message.content))
        after_system = False
    return system, turns
