"""The MessagePack messages between the server and the template process, and the limits of that process."""

import msgspec

CPU_SECONDS = 2
"""CPU time for one prompt, where the system can limit it (not on Windows)."""

WALL_SECONDS = 20
"""Elapsed time for one prompt: on a busy machine, two seconds of CPU time take longer."""

MEMORY = 256 * 1024 * 1024
"""Bytes of memory that rendering may take."""

MAX_MESSAGE = 2**32 - 1
"""Bytes of a message: all that its length field allows. `fireside.chat.templates.environment` limits the prompts."""


class JobCall(msgspec.Struct, array_like=True):
    """A tool call. `arguments` is JSON text, or whatever the client sent instead."""

    id: str
    name: str
    arguments: str


class JobTool(msgspec.Struct, array_like=True):
    """A tool. `parameters` is the JSON text of a schema."""

    name: str
    description: str
    parameters: str


class JobMessage(msgspec.Struct, array_like=True):
    """A turn. Every text except the role comes from the client."""

    role: str
    content: str
    calls: list[JobCall] = []
    name: str | None = None
    tool_call_id: str | None = None


class Job(msgspec.Struct):
    """A conversation to render.

    Args:
        source: the template.
        messages: at least one.
        tools: the tools offered to the model.
        tokens: the vocabulary's special tokens by transformers' names: bos_token, eos_token.
        thinking: whether the model should think before it answers.
        open_turn: whether the prompt ends where the last message's content ends.
    """

    source: str
    messages: list[JobMessage]
    tools: list[JobTool] = []
    tokens: dict[str, str] = {}
    thinking: bool = False
    open_turn: bool = False


class Rendered(msgspec.Struct):
    """The rendered prompt, or why there is none.

    Args:
        parts: the prompt's stretches: a text, and whether it comes from the client.
        refused: the message that the template passed to `raise_exception`.
        unusable: why the template cannot be used.
        lost: index of a message whose content is missing from the prompt.
    """

    parts: list[tuple[str, bool]] = []
    refused: str | None = None
    unusable: str | None = None
    lost: int | None = None
