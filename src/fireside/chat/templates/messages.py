"""What the server and the process that renders templates say to each other, and the bounds of that process.

Messages are MessagePack.
"""

import msgspec

CPU_SECONDS = 2
"""Of computing, for one prompt, where the system can count it (not on Windows)."""

WALL_SECONDS = 20
"""By the clock: on a machine that is busy with other things, two seconds of computing take a while."""

MEMORY = 256 * 1024 * 1024
"""Bytes that prompts may take in the process."""

MAX_MESSAGE = 2**32 - 1
"""Bytes of a message: as many as its length can say. `fireside.chat.templates.environment` bounds the prompts."""


class JobCall(msgspec.Struct, array_like=True):
    """A call of a tool. `arguments` is JSON text, or what the client has in its place."""

    id: str
    name: str
    arguments: str


class JobTool(msgspec.Struct, array_like=True):
    """A tool. `parameters` is the JSON text of a schema."""

    name: str
    description: str
    parameters: str


class JobMessage(msgspec.Struct, array_like=True):
    """A turn. Every text but the role is the client's."""

    role: str
    content: str
    calls: list[JobCall] = []
    name: str | None = None
    tool_call_id: str | None = None


class Job(msgspec.Struct):
    """A conversation to be rendered.

    Args:
        source: the template.
        messages: at least one.
        tools: those that the model is offered.
        tokens: the vocabulary's special tokens by transformers' names: bos_token, eos_token.
        thinking: whether the model is to think before it answers.
        open_turn: whether the prompt ends where the last message's content does.
    """

    source: str
    messages: list[JobMessage]
    tools: list[JobTool] = []
    tokens: dict[str, str] = {}
    thinking: bool = False
    open_turn: bool = False


class Rendered(msgspec.Struct):
    """The prompt as stretches: a text, and whether the client said it. Or what is wrong.

    Args:
        refused: the template's own words, by `raise_exception`.
        unusable: why the template cannot be used.
        lost: number of a message of whose content nothing is left.
    """

    parts: list[tuple[str, bool]] = []
    refused: str | None = None
    unusable: str | None = None
    lost: int | None = None
