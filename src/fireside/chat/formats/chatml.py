"""ChatML (OpenHermes 2.5, SmolLM2), as in the models' own templates.

The messages follow in their order, whatever their roles, and then the beginning of an assistant turn, unless the last
message is one.
"""

from fireside.chat.formats.base import ChatFormat, Conversation
from fireside.chat.pieces import Piece, control, words
from fireside.chat.tools import as_plain_text

IM_START = "<|im_start|>"
IM_END = "<|im_end|>"


def _render(conversation: Conversation) -> list[Piece]:
    messages = as_plain_text(conversation.messages)
    pieces: list[Piece] = []
    for message in messages:
        pieces += [control(IM_START), *words(f"{message.role}\n{message.content}"), control(IM_END), *words("\n")]
    if messages[-1].role == "assistant":
        return pieces[:-2]  # not closed
    return [*pieces, control(IM_START), *words("assistant\n")]


FORMATS = (ChatFormat(name="chatml", title="ChatML", render=_render, ends=(IM_END,)),)
