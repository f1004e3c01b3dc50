"""ChatML (OpenHermes 2.5, SmolLM2), as the models' own templates have it: every message in its place, whatever the
order of roles, then the opening of the assistant's turn, where that is not open already."""

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
