"""Instructions about tools and JSON for models that were not trained for them; a grammar then constrains the answer.

The dialect is that of Hermes 2 Pro and similar models, and serves every chat format without its own: tools are
described in the system message; calls and results are enclosed in tags, which are ordinary text.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fireside.chat.dialects import ToolDialect, to_json
from fireside.chat.messages import Message, Tool, ToolCall

_TOOLS = """\
You may call functions. Each line between <tools> and </tools> describes one, with a JSON schema of its arguments:
<tools>
{tools}
</tools>
To call a function, write its name and arguments like this, and nothing after it:
<tool_call>
{{"name": "the function's name", "arguments": {{"argument": "value"}}}}
</tool_call>
What it returns comes next, between <tool_response> and </tool_response>. {when}"""
_MAY = "Call a function when it helps to answer; else answer in plain words."
_MUST = "Answer with a function call now."
_JSON_OBJECT = "Answer with a JSON object, and with nothing else."
_JSON_SCHEMA = "Answer with JSON that fits this JSON schema, and with nothing else:\n{schema}"


def tools_note(tools: Sequence[Tool], must: bool) -> str:
    """The description of the tools for the system message.

    Args:
        tools: the tools that may be called, at least one.
        must: whether the model must call one.
    """
    lines = [
        to_json({"name": tool.name, "description": tool.description, "parameters": tool.parameters}) for tool in tools
    ]
    return _TOOLS.format(tools="\n".join(lines), when=_MUST if must else _MAY)


def json_note(schema: Mapping[str, Any] | bool | None) -> str:
    """The instruction for the system message to answer in JSON; None allows any object."""
    return _JSON_OBJECT if schema is None else _JSON_SCHEMA.format(schema=to_json(schema))


HERMES = ToolDialect(
    opening="<tool_call>",
    before_name='\n{"name": ',
    after="}\n</tool_call>",
    between="\n<tool_call>",
    describe=tools_note,
)


def as_plain_text(messages: Iterable[Message]) -> list[Message]:
    """The same conversation with calls and results as plain content.

    A tool turn that names neither its tool nor its call stays as it is.
    """
    names: dict[str, str] = {}
    plain = []
    for message in messages:
        content = message.content
        for call in message.tool_calls:
            names[call.id] = call.name
        if message.tool_calls:
            content = "\n".join([*filter(None, [content]), *map(_call, message.tool_calls)])
        elif message.role == "tool" and (message.name or message.tool_call_id):
            name = message.name or names.get(message.tool_call_id or "")
            content = f"<tool_response>\n{f'{name}: ' if name else ''}{content}\n</tool_response>"
        plain.append(Message(message.role, content))
    return plain


def _call(call: ToolCall) -> str:
    return f'<tool_call>\n{{"name": {to_json(call.name)}, "arguments": {call.arguments}}}\n</tool_call>'
