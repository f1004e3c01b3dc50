"""Contents joined by newlines, for models without a template."""

from fireside.prompting.formats.base import ChatFormat, Conversation
from fireside.prompting.pieces import Piece, words
from fireside.prompting.tools import spelt_out


def _render(conversation: Conversation) -> list[Piece]:
    return words("\n".join(message.content for message in spelt_out(conversation.messages)))


FORMATS = (ChatFormat(name="plain", title="Plain text, no template", render=_render, has_system=False),)
