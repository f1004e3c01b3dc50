"""A process that renders possibly hostile chat templates: `python -m fireside.chat.templates.host`.

It reads jobs and answers each, in MessagePack, as messages of `fireside.locked_process`. A template that takes too long
or too much memory kills it; `fireside.chat.templates.renderer` turns that into an answer, too. It exits when its input
ends.

It is locked down before it reads a job, so a hole in Jinja's sandbox gives a template no access beyond this process.
"""

import json
import sys
from collections.abc import Mapping
from typing import Any, BinaryIO

import jinja2.debug  # noqa: F401 - Jinja imports it on the first error, when files can no longer be read
import msgspec

from fireside import locked_process
from fireside.chat.templates.environment import Refused, Unusable, rendered
from fireside.chat.templates.messages import (
    CPU_SECONDS,
    MAX_MESSAGE,
    MEMORY,
    WALL_SECONDS,
    Job,
    JobCall,
    JobMessage,
    JobTool,
    Rendered,
)
from fireside.chat.templates.traced import Vault
from fireside.lockdown import end_at_time_limits


def render(job: Job) -> Rendered:
    """Render one conversation."""
    contents = [message.content for message in job.messages]

    def values(vault: Vault) -> Mapping[str, Any]:
        def said(value: Any) -> Any:
            """The value with every text in it traced, dictionary keys included."""
            match value:
                case str():
                    return vault.said(value.encode(errors="replace").decode(), len(contents))
                case dict():
                    return {said(key): said(inner) for key, inner in value.items()}
                case list():
                    return [said(inner) for inner in value]
                case _:
                    return value

        def call(one: JobCall) -> dict[str, Any]:
            function = {"name": said(one.name), "arguments": said(_parsed(one.arguments))}
            return {"id": said(one.id), "type": "function", "function": function}

        def tool(one: JobTool) -> dict[str, Any]:
            described = {"name": one.name, "description": one.description, "parameters": _parsed(one.parameters)}
            return {"type": "function", "function": {key: said(value) for key, value in described.items()}}

        messages = []
        for index, message in enumerate(job.messages):
            shown: dict[str, Any] = {"role": message.role, "content": vault.said(message.content, index)}
            if message.calls:
                shown["tool_calls"] = [call(one) for one in message.calls]
            if message.name:
                shown["name"] = said(message.name)
            if message.tool_call_id:
                shown["tool_call_id"] = said(message.tool_call_id)
            messages.append(shown)
        return {
            **job.tokens,
            "messages": messages,
            "tools": [tool(one) for one in job.tools] or None,
            "documents": None,
            "add_generation_prompt": not job.open_turn,
            "enable_thinking": job.thinking,
        }

    try:
        parts = rendered(job.source, values)
    except Refused as error:
        return Rendered(refused=str(error))
    except Unusable as error:
        return Rendered(unusable=str(error))
    kept = {part.origin for part in parts}
    lost = next((index for index, content in enumerate(contents) if content.strip() and index not in kept), None)
    if lost is not None:
        return Rendered(lost=lost)
    if job.open_turn:
        last = max(index for index, part in enumerate(parts) if part.origin == len(contents) - 1)
        parts = parts[: last + 1]
    return Rendered([(part.text, part.origin is not None) for part in parts])


def _parsed(text: str) -> Any:
    """The value of a JSON text; text that is not JSON is returned unchanged."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def serve(source: BinaryIO, sink: BinaryIO) -> None:
    """Answer jobs until the input ends."""
    _warm_up()
    locked_process.serve(
        source,
        sink,
        lambda job: msgspec.msgpack.encode(render(msgspec.msgpack.decode(job, type=Job))),
        memory=MEMORY,
        cpu_seconds=CPU_SECONDS,
        wall_seconds=WALL_SECONDS,
        limit=MAX_MESSAGE,
    )


def _warm_up() -> None:
    """Import everything that a template, or an error in one, needs."""
    message = JobMessage("user", "Hi")
    for source in ("{{ messages | tojson }}{{ strftime_now('%d %b %Y') }}", "{{ 1 / 0 }}", "{% for %}"):
        render(Job(source, [message]))


def main() -> None:
    end_at_time_limits()
    serve(sys.stdin.buffer, sys.stdout.buffer)


if __name__ == "__main__":
    main()
