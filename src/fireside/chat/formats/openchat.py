"""OpenChat 3.5 and Starling LM: the messages in their order, each ended by `<|end_of_turn|>`.

    GPT4 Correct User: user<|end_of_turn|>GPT4 Correct Assistant: assistant<|end_of_turn|>

A tool's result is a user turn.
"""

from fireside.chat.formats.base import ChatFormat, Conversation
from fireside.chat.pieces import Piece, control, words
from fireside.chat.tools import as_plain_text

END_OF_TURN = "<|end_of_turn|>"


def _render(conversation: Conversation) -> list[Piece]:
    messages = as_plain_text(conversation.messages)
    pieces: list[Piece] = []
    for message in messages:
        role = "user" if message.role == "tool" else message.role
        pieces += [*words(f"GPT4 Correct {role.title()}: {message.content}"), control(END_OF_TURN)]
    if messages[-1].role == "assistant":
        return pieces[:-1]  # not closed
    return [*pieces, *words("GPT4 Correct Assistant:")]


FORMATS = (ChatFormat(name="openchat", title="OpenChat, GPT4 Correct User: …", render=_render, ends=(END_OF_TURN,)),)
