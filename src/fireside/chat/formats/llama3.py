"""Llama 3, and Llama 3.1 and later with tools: each message follows a header with its role.

    <|begin_of_text|><|start_header_id|>user<|end_header_id|>

    user<|eot_id|><|start_header_id|>assistant<|end_header_id|>

As in Meta's templates, whitespace around contents is stripped. Llama 3.1's system message always begins with two dates:
its knowledge cutoff and today's date, for which its template defaults to 26 July 2024. It reads tools in the first user
turn and calls one with a JSON object that is its whole answer; results are JSON texts in turns with the role "ipython".
"""

from collections.abc import Sequence

from fireside.chat.dialects import ToolDialect, openai_tool, to_json
from fireside.chat.formats.base import BLANK_LINE, ChatFormat, Conversation
from fireside.chat.messages import Message, ToolOffer
from fireside.chat.pieces import Piece, control, words
from fireside.chat.tools import as_plain_text

BOS = "<|begin_of_text|>"
END = "<|eot_id|>"
ENDS = (END, "<|eom_id|>", "<|end_of_text|>")

JSON_CALLS = ToolDialect(opening="", before_arguments=', "parameters": ', between="; ")

_DATES = "Cutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\n"
_TOOLS = """\
Given the following functions, please respond with a JSON for a function call with its proper arguments that best \
answers the given prompt.

Respond in the format {"name": function name, "parameters": dictionary of argument name and its value}.\
Do not use variables.

"""


def _header(role: str) -> list[Piece]:
    return [control("<|start_header_id|>"), *words(role), control("<|end_header_id|>"), *words(BLANK_LINE)]


def _turn(role: str, content: list[Piece]) -> list[Piece]:
    return [*_header(role), *content, control(END)]


def _opened(pieces: list[Piece], messages: Sequence[Message]) -> list[Piece]:
    """The prompt up to where the assistant's answer begins."""
    last = messages[-1]
    if last.role != "assistant":
        return [*pieces, *_header("assistant")]
    return pieces[:-1]  # not closed


def _said(message: Message, *, last: bool) -> list[Piece]:
    is_open = last and message.role == "assistant"
    return words(message.content.lstrip() if is_open else message.content.strip())


def _render_3(conversation: Conversation) -> list[Piece]:
    messages = as_plain_text(conversation.messages)
    pieces = [control(BOS)]
    for index, message in enumerate(messages):
        pieces += _turn(message.role, _said(message, last=index == len(messages) - 1))
    return _opened(pieces, messages)


def _render_31(conversation: Conversation) -> list[Piece]:
    messages, offer = list(conversation.messages), conversation.offer
    system = messages.pop(0).content.strip() if messages[0].role == "system" else ""
    pieces = [control(BOS), *_turn("system", words(("Environment: ipython\n" if offer else "") + _DATES + system))]
    if offer is not None and all(message.role != "user" for message in messages):
        messages.insert(0, Message("user", ""))
    for index, message in enumerate(messages):
        content = _said(message, last=index == len(messages) - 1)
        if message.role == "user" and offer is not None:
            content = [*words(_described(offer)), *content]
            offer = None
        if message.role == "tool":
            pieces += _turn("ipython", words(to_json(message.content)))
        elif message.tool_calls:
            gap = words(BLANK_LINE) if content else []
            pieces += _turn("assistant", [*content, *gap, *JSON_CALLS.pieces(message.tool_calls)])
        else:
            pieces += _turn(message.role, content)
    return _opened(pieces, messages or [Message("system", "")])


def _described(offer: ToolOffer) -> str:
    return _TOOLS + "".join(to_json(openai_tool(tool), indent=4) + BLANK_LINE for tool in offer.tools)


FORMATS = (
    ChatFormat(name="llama3", title="Llama 3, <|start_header_id|> …", render=_render_3, ends=ENDS),
    ChatFormat(
        name="llama3.1", title="Llama 3.1, <|start_header_id|> …", render=_render_31, ends=ENDS, dialect=JSON_CALLS
    ),
)
