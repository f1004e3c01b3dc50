"""The conversation between a model and the functions of a request, until the model has its last word.

Each round the model answers, or calls; what it calls runs in the sandbox, the results become messages, and it is asked
again. After the last round in which it may call it is asked once more, and then it can only answer.
"""

import json
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace

from fireside.chat.messages import Message, ToolCall
from fireside.functions.messages import Failed, Outcome, Returned
from fireside.functions.sandbox import Sandbox
from fireside.functions.schema import Function
from fireside.serving.types import Delta, FunctionCall, TextRequest, TextService, Usage

_PARAGRAPH = "\n\n"


async def generate(
    service: TextService, sandbox: Sandbox, request: TextRequest, functions: Sequence[Function], rounds: int
) -> AsyncGenerator[Delta, None]:
    """The answer in pieces, as `TextService.generate` gives it, and the functions' calls as they are done.

    What the model says beside its calls is part of the answer, in a paragraph of its own. Usage is the sum over all
    rounds. Calls of the request's own tools are the client's to answer: a round that has any is the last.

    Args:
        request: one with messages. Its tool choice is for the first round.
        functions: what the model may call besides `request.tools`; all of these have different names.
        rounds: how often the model may call, at least 1.

    Raises what `TextService.generate` and `Sandbox.call` do. Errors of the functions themselves are results.
    """
    by_name = {function.name: function for function in functions}
    own = {tool.name for tool in request.tools}
    asked = replace(request, tools=(*request.tools, *(function.tool for function in functions)))
    said = ""
    for left in range(rounds, -1, -1):
        asked = replace(asked, tool_choice=asked.tool_choice if left else "none", usage=Usage())
        text, gap = "", _PARAGRAPH if said else ""
        calls: list[ToolCall] = []
        try:
            async with aclosing(service.generate(asked)) as deltas:
                async for delta in deltas:
                    calls += delta.tool_calls
                    for_client = tuple(call for call in delta.tool_calls if call.name in own)
                    if delta.text or for_client:
                        yield Delta(gap + delta.text if delta.text else "", tool_calls=for_client)
                    if delta.text:
                        text, gap = text + delta.text, ""
                    finish_reason = delta.finish_reason
        finally:
            request.usage.add(asked.usage)
        results = []
        for call in calls:
            if call.name not in own:
                done = await _run(sandbox, by_name.get(call.name), call)
                yield Delta("", function_calls=(done,))
                results.append(Message("tool", _told(done), tool_call_id=call.id, name=call.name))
        if left == 0 or not results or len(results) < len(calls):
            yield Delta("", finish_reason, request.usage)
            return
        turn = Message("assistant", text, tuple(calls))
        # Once it has begun, a request that asked not to wait is seen through.
        asked = replace(asked, messages=(*(asked.messages or ()), turn, *results), tool_choice="auto", wait=True)
        said += text


async def _run(sandbox: Sandbox, function: Function | None, call: ToolCall) -> FunctionCall:
    """Run one call. Raises EngineFailed when there is no sandbox."""
    began = time.monotonic()
    outcome = await _outcome(sandbox, function, call)
    milliseconds = round(1000 * (time.monotonic() - began))
    if isinstance(outcome, Returned):
        return FunctionCall(call.name, call.arguments, milliseconds, result=outcome.json)
    return FunctionCall(call.name, call.arguments, milliseconds, error=outcome.message)


async def _outcome(sandbox: Sandbox, function: Function | None, call: ToolCall) -> Outcome:
    if function is None:
        return Failed("exception", f"There is no function with the name {call.name}.")
    try:
        arguments = function.arguments(json.loads(call.arguments))
    except (ValueError, TypeError, RecursionError):
        return Failed("exception", "The arguments should be a JSON object.")
    return await sandbox.call(function.name, function.code, arguments)


def _told(call: FunctionCall) -> str:
    """What the model reads of a call that is done: always JSON."""
    return call.result if call.result is not None else json.dumps({"error": call.error}, ensure_ascii=False)
