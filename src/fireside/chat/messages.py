"""The input of prompting: a typed conversation and the tools offered to the model."""

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
    """A function the model may call. `parameters` is a JSON schema of type object; an empty one allows anything."""

    name: str
    description: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ToolOffer:
    """The tools that are described to the model and that it may call.

    Args:
        tools: at least one.
        must: whether the model must call one.
    """

    tools: tuple[Tool, ...]
    must: bool = False


@dataclass(frozen=True, slots=True)
class Message:
    """One turn. `content` is plain text; it never becomes a control token.

    Args:
        tool_calls: for an assistant turn: the calls it made, with or without content.
        tool_call_id: for a tool turn: the id of the call that this is the result of, if the client gave it.
        name: for a tool turn: the tool's name, if the client gave it.
    """

    role: Role
    content: str
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None
    name: str | None = None
