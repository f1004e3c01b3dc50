"""Zephyr (7B beta, TinyLlama Chat): the messages in their order, each ended by `</s>`, the only control token.

    <|user|>
    user</s>
    <|assistant|>
    assistant</s>

"<|user|>" and the other tags are ordinary text in this vocabulary. A tool's result is a user turn.
"""

from fireside.chat.formats.base import ChatFormat, Conversation
from fireside.chat.pieces import Piece, control, words
from fireside.chat.tools import as_plain_text

EOS = "</s>"


def _render(conversation: Conversation) -> list[Piece]:
    messages = as_plain_text(conversation.messages)
    pieces: list[Piece] = []
    for message in messages:
        role = "user" if message.role == "tool" else message.role
        pieces += [*words(f"<|{role}|>\n{message.content}"), control(EOS), *words("\n")]
    if messages[-1].role == "assistant":
        return pieces[:-2]  # not closed
    return [*pieces, *words("<|assistant|>\n")]


FORMATS = (ChatFormat(name="zephyr", title="Zephyr, <|user|> …", render=_render, ends=(EOS,)),)
