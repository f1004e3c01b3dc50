"""Mistral 7B Instruct v0.3 and later, as in `mistral_common`'s v3 tokenizer: the bracketed tags are control tokens.

    <s>[AVAILABLE_TOOLS][…][/AVAILABLE_TOOLS]
    [INST]system

    user[/INST][TOOL_CALLS][{"name": …, "arguments": …, "id": …}]</s>
    [TOOL_RESULTS]{"content": …, "call_id": …}[/TOOL_RESULTS]

There are no line breaks around brackets. Each stretch between control tokens is a separate sentence. The tools precede
the last user turn, and the system text is inside it. A call's id has nine letters or digits; of a longer one, the last
nine are used.
"""

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fireside.chat.dialects import ToolDialect, openai_tool, to_json
from fireside.chat.formats.base import ChatFormat, Conversation, blank_lined
from fireside.chat.messages import Message, ToolCall, ToolOffer
from fireside.chat.pieces import Piece, control, sentence

BOS, EOS = "<s>", "</s>"
CALLS = "[TOOL_CALLS]"

DIALECT = ToolDialect(opening=CALLS, begins=("[", " ["), between=", ", end="]", tokens=(CALLS,))

_ID = re.compile(r"[A-Za-z0-9]{9}\Z")


@dataclass(frozen=True, slots=True)
class _Turn:
    """A turn. Adjacent user turns are merged, and so are adjacent assistant turns until one makes calls."""

    role: str
    content: str
    calls: tuple[ToolCall, ...] = ()
    call_id: str = ""


def _render(conversation: Conversation) -> list[Piece]:
    system, turns = _turns(conversation.messages)
    asked = max((index for index, turn in enumerate(turns) if turn.role == "user"), default=None)
    if asked is None and (system or conversation.offer or not turns):
        turns.insert(0, _Turn("user", ""))
        asked = 0
    pieces = [control(BOS)]
    for index, turn in enumerate(turns):
        if turn.role == "user":
            mine = index == asked
            pieces += _tools(conversation.offer) if mine and conversation.offer else []
            content = blank_lined([system, turn.content]) if mine and system else turn.content
            pieces += [control("[INST]"), *sentence(content), control("[/INST]")]
        elif turn.role == "tool":
            said = to_json({"content": _parsed(turn.content), "call_id": _id(turn.call_id)})
            pieces += [control("[TOOL_RESULTS]"), *sentence(said), control("[/TOOL_RESULTS]")]
        else:
            is_open = index == len(turns) - 1
            pieces += sentence(turn.content if is_open else turn.content.rstrip(" "))
            pieces += _calls(turn.calls) if turn.calls else []
            pieces += [] if is_open else [control(EOS)]
    return pieces


def _turns(messages: Sequence[Message]) -> tuple[str, list[_Turn]]:
    system = blank_lined(message.content for message in messages if message.role == "system")
    turns: list[_Turn] = []
    for message in messages:
        if message.role == "system":
            continue
        turn = _Turn(message.role, message.content, message.tool_calls, message.tool_call_id or "")
        before = turns[-1] if turns else None
        if before is not None and before.role == turn.role != "tool" and not before.calls:
            turns[-1] = _Turn(turn.role, blank_lined([before.content, turn.content]), turn.calls)
        else:
            turns.append(turn)
    return system, turns


def _tools(offer: ToolOffer) -> list[Piece]:
    described = to_json([openai_tool(tool) for tool in offer.tools])
    return [control("[AVAILABLE_TOOLS]"), *sentence(described), control("[/AVAILABLE_TOOLS]")]


def _calls(calls: Sequence[ToolCall]) -> list[Piece]:
    made = [{"name": call.name, "arguments": _parsed(call.arguments), "id": _id(call.id)} for call in calls]
    return [control(CALLS), *sentence(to_json(made))]


def _parsed(text: str) -> Any:
    """The value of a JSON text; text that is not JSON, or is nested too deeply, is returned unchanged."""
    try:
        value = json.loads(text)
        to_json([[value]])
    except (ValueError, RecursionError):
        return text
    return value


def _id(call_id: str) -> str:
    return call_id[-9:] if _ID.search(call_id) else hashlib.sha256(call_id.encode()).hexdigest()[:9]


FORMATS = (ChatFormat(name="mistral-v3", title="Mistral v3, [INST] …", render=_render, ends=(EOS,), dialect=DIALECT),)
