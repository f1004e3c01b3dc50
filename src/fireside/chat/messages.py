"""What prompting takes: a typed conversation, and the tools that the model is offered."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Role = Literal["system", "user", "assistant", "tool"]


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call that the model made. `arguments` is the text of a JSON object."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Tool:
    """What the model may call. `parameters` is a JSON schema of type object, or empty for anything."""

    name: str
    description: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ToolOffer:
    """What the model is told of and may call.

    Args:
        tools: at least one.
        must: whether it has no choice but to call one.
    """

    tools: tuple[Tool, ...]
    must: bool = False


@dataclass(frozen=True, slots=True)
class Message:
    """One turn. `content` is plain text; it never becomes a control token.

    Args:
        tool_calls: of an assistant's turn: what it called, beside or instead of saying something.
        tool_call_id: of a tool's turn: which call this is the result of, when the client says so.
        name: of a tool's turn: the tool, when the client says so.
    """

    role: Role
    content: str
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None
    name: str | None = None
