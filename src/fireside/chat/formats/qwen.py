"""Qwen2 and Qwen2.5: ChatML with a system message in every prompt, and Hermes calls with Qwen's own text and tokens.

Tool results are user turns; adjacent results share one:

    <|im_start|>user
    <tool_response>
    …
    </tool_response><|im_end|>

`<tool_call>` and `</tool_call>` are single tokens from Qwen2.5 on.
"""

from collections.abc import Sequence
from dataclasses import replace

from fireside.chat.dialects import openai_tool, to_json
from fireside.chat.formats.base import BLANK_LINE, ChatFormat, Conversation
from fireside.chat.formats.chatml import IM_END, IM_START
from fireside.chat.messages import Message, ToolOffer
from fireside.chat.pieces import Piece, control, optional, words
from fireside.chat.tools import HERMES

QWEN_CALLS = replace(HERMES, tokens=("<tool_call>", "</tool_call>"), describe=None)

_BEFORE_TOOLS = """\
# Tools

You may call one or more functions to assist with the user query.

You are provided with function signatures within <tools></tools> XML tags:
<tools>"""
_AFTER_TOOLS = """
</tools>

For each function call, return a json object with function name and arguments within """
_EXAMPLE = '\n{"name": <function-name>, "arguments": <args-json-object>}\n'


def tools_pieces(offer: ToolOffer) -> list[Piece]:
    """The description of the tools for the system message, as in Qwen's template."""
    opening, closing = optional("<tool_call>"), optional("</tool_call>")
    described = "".join(f"\n{to_json(openai_tool(tool))}" for tool in offer.tools)
    return [
        *words(_BEFORE_TOOLS + described + _AFTER_TOOLS),
        *(opening, closing, *words(" XML tags:\n"), opening, *words(_EXAMPLE), closing),
    ]


def system_pieces(conversation: Conversation) -> list[Piece]:
    """The system turn: the first message if it is a system message, and the tools; empty if there is neither."""
    first, offer = conversation.messages[0], conversation.offer
    said = words(first.content) if first.role == "system" else []
    if first.role != "system" and offer is None:
        return []
    gap = words(BLANK_LINE) if said and offer else []
    tools = tools_pieces(offer) if offer else []
    return [control(IM_START), *words("system\n"), *said, *gap, *tools, control(IM_END), *words("\n")]


def turn_pieces(message: Message, content: list[Piece], *, open_ended: bool) -> list[Piece]:
    """One user, assistant or later system turn."""
    pieces = [control(IM_START), *words(f"{message.role}\n"), *content]
    if message.tool_calls:
        pieces += [*(words("\n") if message.content else []), *QWEN_CALLS.pieces(message.tool_calls)]
    return pieces if open_ended else [*pieces, control(IM_END), *words("\n")]


def result_pieces(messages: Sequence[Message], index: int) -> list[Piece]:
    """A tool's result, which shares a user turn with adjacent results."""
    message = messages[index]
    first = index == 0 or messages[index - 1].role != "tool"
    last = index == len(messages) - 1 or messages[index + 1].role != "tool"
    opening, closing = optional("<tool_response>"), optional("</tool_response>")
    pieces = [control(IM_START), *words("user")] if first else []
    pieces += [*words("\n"), opening, *words(f"\n{message.content}\n"), closing]
    return [*pieces, control(IM_END), *words("\n")] if last else pieces


def _render(conversation: Conversation) -> list[Piece]:
    messages = conversation.messages
    pieces = system_pieces(conversation)
    for index, message in enumerate(messages):
        last = index == len(messages) - 1
        if message.role == "tool":
            pieces += result_pieces(messages, index)
        elif index or message.role != "system":
            is_open = last and message.role == "assistant"
            pieces += turn_pieces(message, words(message.content), open_ended=is_open)
    if messages[-1].role == "assistant":
        return pieces
    return [*pieces, control(IM_START), *words("assistant\n")]


FORMATS = (
    ChatFormat(
        name="qwen",
        title="Qwen2.5, ChatML",
        render=_render,
        ends=(IM_END, "<|endoftext|>"),
        default_system="You are Qwen, created by Alibaba Cloud. You are a helpful assistant.",
        always_system=True,
        dialect=QWEN_CALLS,
    ),
)
