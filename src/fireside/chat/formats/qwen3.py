"""Qwen3: Qwen2.5's ChatML without a default system message, and with thoughts before the answer.

Unless thinking is on, the assistant's turn begins with an empty thought, as with `enable_thinking=False` in Qwen's
template. Thoughts before the user's last question are left out; later ones stay.
"""

from dataclasses import replace

from fireside.chat.formats.base import ChatFormat, Conversation
from fireside.chat.formats.chatml import IM_END, IM_START
from fireside.chat.formats.qwen import QWEN_CALLS, result_pieces, system_pieces, turn_pieces
from fireside.chat.messages import Message
from fireside.chat.pieces import Piece, control, optional, words

THINK, END_THINK = "<think>", "</think>"


def _render(conversation: Conversation) -> list[Piece]:
    messages = conversation.messages
    asked = max((index for index, message in enumerate(messages) if _is_question(message)), default=len(messages) - 1)
    pieces = system_pieces(conversation)
    for index, message in enumerate(messages):
        last = index == len(messages) - 1
        if message.role == "tool":
            pieces += result_pieces(messages, index)
        elif message.role == "assistant":
            thought, content = _parted(message.content)
            if index > asked and (last or thought):
                said = [*_thought(thought), *words(content.lstrip("\n"))]
            else:
                said = words(content)
            pieces += turn_pieces(replace(message, content=content), said, open_ended=last)
        elif index or message.role != "system":
            pieces += turn_pieces(message, words(message.content), open_ended=False)
    if messages[-1].role == "assistant":
        return pieces
    return [*pieces, control(IM_START), *words("assistant\n"), *([] if conversation.thinking else _thought(""))]


def _is_question(message: Message) -> bool:
    text = message.content
    is_result = text.startswith("<tool_response>") and text.endswith("</tool_response>")
    return message.role == "user" and not is_result


def _parted(content: str) -> tuple[str, str]:
    """The thought in an assistant turn, and the rest."""
    if END_THINK not in content:
        return "", content
    thought = content.split(END_THINK)[0].rstrip("\n").split(THINK)[-1].lstrip("\n")
    return thought, content.split(END_THINK)[-1].lstrip("\n")


def _thought(text: str) -> list[Piece]:
    stripped = text.strip("\n")
    return [optional(THINK), *words(f"\n{stripped}\n"), optional(END_THINK), *words("\n\n")]


FORMATS = (
    ChatFormat(
        name="qwen3",
        title="Qwen3, ChatML",
        render=_render,
        ends=(IM_END, "<|endoftext|>"),
        dialect=QWEN_CALLS,
        thinking=(THINK, END_THINK),
    ),
)
