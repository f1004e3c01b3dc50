"""An echo that calls the tool which its prompt tells it to use, once; then it says what came of it."""

import json
import re
from collections.abc import AsyncGenerator

from fireside.chat.messages import ToolCall
from fireside.serving.types import Delta, TextRequest, Usage
from support.echo_service import EchoService

_VALUES = {"number": 2, "integer": 2, "string": "London"}


class ObligingService(EchoService):
    """Where nothing tells it of a tool it is the echo service."""

    async def generate(self, request: TextRequest) -> AsyncGenerator[Delta, None]:
        last = request.messages[-1] if request.messages else None
        named = re.search(r"use the (\w+) tool", last.content, re.IGNORECASE) if last and last.role == "user" else None
        tool = next((tool for tool in request.offered_tools if named and tool.name == named[1]), None)
        if tool is None:
            async for delta in super().generate(request):
                yield delta
            return
        self.requests.append(request)
        properties = tool.parameters.get("properties", {})
        arguments = {name: _VALUES[schema["type"]] for name, schema in properties.items()}
        request.usage.prompt_tokens, request.usage.completion_tokens = 1, 1
        yield Delta("", "tool_calls", Usage(1, 1), (ToolCall("call_1", tool.name, json.dumps(arguments)),))
