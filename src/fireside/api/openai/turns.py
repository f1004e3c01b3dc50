"""Messages and tools as OpenAI's clients send them."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from fireside.api.schema.nullable import NullIsUnset
from fireside.api.schema.run_input import MAX_TEXT, Content
from fireside.api.schema.tool_fields import MAX_TOOLS
from fireside.chat.messages import Message, Tool, ToolCall

Name = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[a-zA-Z0-9_-]+$")]

_UNREAD = {
    "audio": "this server speaks text only",
    "function_call": "OpenAI has replaced this field: send tool_calls",
    "refusal": "put its text into content",
}
"""Parts of a message that would be lost."""


class CalledFunctionInput(NullIsUnset):
    """A function that the model called, and with what: the text of a JSON object."""

    name: Name
    arguments: Annotated[str, Field(max_length=MAX_TEXT)]


class CallInput(NullIsUnset):
    """A call in an assistant's turn."""

    id: Annotated[str, Field(max_length=200)]
    type: Literal["function"] = "function"
    function: CalledFunctionInput


class Turn(NullIsUnset):
    """One message. `developer` is today's name for `system`. Content may be left out beside tool_calls."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: Content = ""
    name: Annotated[str, Field(max_length=200)] | None = None
    tool_calls: Annotated[list[CallInput], Field(max_length=MAX_TOOLS, fail_fast=True)] | None = None
    tool_call_id: Annotated[str, Field(max_length=200)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _is_read_whole(cls, value: object) -> object:
        for name, why in _UNREAD.items():
            if isinstance(value, dict) and value.get(name) is not None:
                raise PydanticCustomError("unread", "{name} is not supported: {why}", {"name": name, "why": why})
        return value

    @model_validator(mode="after")
    def _says_something(self) -> "Turn":
        if "content" not in self.model_fields_set and not (self.role == "assistant" and self.tool_calls):
            raise PydanticCustomError("content_missing", "content is missing")
        if self.tool_calls and self.role != "assistant":
            raise PydanticCustomError("stray_calls", "tool_calls is allowed only with the role assistant")
        if self.role == "tool" and self.tool_call_id is None:
            raise PydanticCustomError(
                "tool_call_id_missing", "tool_call_id is missing: it names the call that this message answers"
            )
        return self

    def typed(self) -> Message:
        """For prompting and serving."""
        calls = tuple(ToolCall(call.id, call.function.name, call.function.arguments) for call in self.tool_calls or ())
        role = "system" if self.role == "developer" else self.role
        name = self.name if self.role == "tool" else None
        return Message(role, self.content, calls, self.tool_call_id, name)


class FunctionSpec(NullIsUnset):
    """A function the model may call. `parameters` is a JSON schema of type object."""

    name: Name
    description: Annotated[str, Field(max_length=MAX_TEXT)] = ""
    parameters: dict[str, Any] = {}


class FunctionTool(NullIsUnset):
    """A tool; functions are the only kind there is."""

    type: Literal["function"]
    function: FunctionSpec

    def typed(self) -> Tool:
        """For prompting and serving."""
        return Tool(self.function.name, self.function.description, self.function.parameters)
