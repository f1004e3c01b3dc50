"""The definition of a chat format: how a family of models reads a conversation and writes an answer."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from fireside.chat.dialects import ToolDialect
from fireside.chat.messages import Message, ToolOffer
from fireside.chat.pieces import Piece
from fireside.chat.tools import HERMES

BLANK_LINE = "\n\n"


@dataclass(frozen=True, slots=True)
class Conversation:
    """The input of a format.

    Args:
        messages: at least one. The first already contains what Fireside adds to the system message.
        offer: tools that may be called, for formats that describe them outside the system message.
        thinking: whether the model should think before it answers.
    """

    messages: Sequence[Message]
    offer: ToolOffer | None = None
    thinking: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatFormat:
    """How a family of models reads a conversation and writes an answer.

    In every format, a conversation that ends with an assistant turn is continued from there: that turn is left open.

    Args:
        name: the name used in catalog files.
        title: the name shown to people.
        render: renders the conversation up to where the assistant's answer begins. User text is never in a control
            piece.
        ends: the control tokens that end an answer. The first is the one that the format itself writes after an answer.
        default_system: system message put before an unscoped prompt, unless the catalog file has another.
        always_system: whether it is also put before conversations without a system message.
        has_system: whether there is a place for instructions about tools and JSON.
        dialect: how tools are described to the model and how it calls them.
        thinking: the tags around a model's thoughts before its answer, which are not part of the answer.
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
    """The texts, except empty ones, joined by blank lines."""
    return BLANK_LINE.join(text for text in texts if text)


def two_sides(messages: Sequence[Message]) -> tuple[str, list[tuple[bool, str]]]:
    """The system text, and the turns as (is_assistant, content), for formats with two sides.

    Adjacent turns of one side are joined by a blank line; turns with a system message between them stay separate (as in
    `mistral_common`). A tool's result belongs to the user's side.
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
