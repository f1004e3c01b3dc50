"""Message contents joined by newlines, for models without a template."""

from fireside.chat.formats.base import ChatFormat, Conversation
from fireside.chat.pieces import Piece, words
from fireside.chat.tools import as_plain_text


def _render(conversation: Conversation) -> list[Piece]:
    return words("\n".join(message.content for message in as_plain_text(conversation.messages)))


FORMATS = (ChatFormat(name="plain", title="Plain text, no template", render=_render, has_system=False),)
