"""The conversation between a model and functions: a service that plays the model's part, and the real sandbox."""

import asyncio
from contextlib import aclosing
from typing import Any

import pytest

from fireside.chat.messages import Message, Tool
from fireside.engine.types import Adapter
from fireside.errors import ContextOverflow, EngineFailed
from fireside.functions.loop import generate
from fireside.functions.reader import FunctionReader
from fireside.functions.sandbox import Sandbox
from fireside.functions.schema import Function
from fireside.serving.types import Delta, NamedTool, TextRequest, Usage
from support.children import Children
from support.live_server import wait_until
from support.scripted_service import ScriptedService, calls, says

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("children")]

QUESTION = Message("user", "What is 2 + 3?")
ADD = ("add", "/** Adds. */ (a, b = 1) => a + b")
HANG = ("hang", "() => { for (;;); }")
FAIL = ("fail", "() => { throw new TypeError('no') }")
ADAPTER = Adapter("version", "/folder")
CLIENTS_OWN = Tool("search", "Searches.", {"type": "object", "properties": {}})


async def read(sandbox: Sandbox, *functions: tuple[str, str]) -> tuple[Function, ...]:
    return await FunctionReader(sandbox).functions_of("local", functions)


async def converse(
    sandbox: Sandbox, service: ScriptedService, *functions: tuple[str, str], rounds: int = 4, **fields: Any
) -> tuple[str, list[Any], list[Delta]]:
    request = TextRequest(model="@cf/fireside/echo", messages=(QUESTION,), **fields)
    deltas = []
    async with aclosing(generate(service, sandbox, request, await read(sandbox, *functions), rounds)) as pieces:
        async for delta in pieces:
            deltas.append(delta)
    assert service.running == 0
    return "".join(delta.text for delta in deltas), [call for delta in deltas for call in delta.function_calls], deltas


async def test_the_model_calls_reads_the_result_and_answers(sandbox: Sandbox) -> None:
    service = ScriptedService(script=[calls(("add", '{"a": 2, "b": 3}')), says("It is 5.")])
    usage = Usage()
    text, [done], deltas = await converse(
        sandbox, service, ADD, usage=usage, max_tokens=99, adapter=ADAPTER, wait=False
    )
    assert text == "It is 5."
    assert (done.name, done.arguments, done.result, done.error) == ("add", '{"a": 2, "b": 3}', "5", None)
    assert done.milliseconds > 0
    assert [delta.text for delta in deltas if delta.text] == ["It", " is", " 5."]
    assert (deltas[-1].finish_reason, deltas[-1].usage) == ("stop", Usage(30, 9))
    assert (usage.prompt_tokens, usage.completion_tokens) == (30, 9)
    assert [delta.usage for delta in deltas[:-1]] == [None] * (len(deltas) - 1)

    first, second = service.requests
    assert [(tool.name, tool.description) for tool in first.tools] == [("add", "Adds.")]
    assert first.messages == (QUESTION,)
    question, turn, result = second.messages or ()
    assert question == QUESTION
    assert (turn.role, turn.content, turn.tool_calls[0].name) == ("assistant", "", "add")
    assert result == Message("tool", "5", tool_call_id=turn.tool_calls[0].id, name="add")
    assert second.tools == first.tools
    assert (second.max_tokens, second.adapter) == (99, ADAPTER)
    assert (first.wait, second.wait) == (False, True)


async def test_an_answer_without_calls_is_passed_on(sandbox: Sandbox) -> None:
    service = ScriptedService(script=[says("Five.", "length")])
    text, done, deltas = await converse(sandbox, service, ADD)
    assert (text, done, deltas[-1].finish_reason, deltas[-1].usage) == ("Five.", [], "length", Usage(10, 3))
    assert len(service.requests) == 1


async def test_several_calls_in_one_round_run_in_their_order(sandbox: Sandbox) -> None:
    made = calls(("add", '{"a": 1}'), ("fail", "{}"), ("add", '{"a": 2, "b": 2}'))
    service = ScriptedService(script=[made, says("Done.")])
    _, done, _ = await converse(sandbox, service, ADD, FAIL)
    assert [(call.result, call.error) for call in done] == [("2", None), (None, "TypeError: no"), ("4", None)]
    results = (service.requests[1].messages or ())[2:]
    assert [result.content for result in results] == ["2", '{"error": "TypeError: no"}', "4"]
    assert len({result.tool_call_id for result in results}) == 3


@pytest.mark.parametrize("arguments", ["[1]", "1", "null", "{", '{"a":' * 5000, ""])
async def test_arguments_that_are_no_object_are_the_models_to_correct(sandbox: Sandbox, arguments: str) -> None:
    service = ScriptedService(script=[calls(("add", arguments)), calls(("add", '{"a": 1}')), says("2")])
    text, done, _ = await converse(sandbox, service, ADD)
    assert [(call.result, call.error) for call in done] == [
        (None, "The arguments should be a JSON object."),
        ("2", None),
    ]
    assert text == "2"


async def test_a_call_of_a_function_that_nobody_offered_is_an_error_that_the_model_sees(sandbox: Sandbox) -> None:
    service = ScriptedService(script=[calls(("subtract", "{}")), says("Sorry.")])
    _, [done], _ = await converse(sandbox, service, ADD)
    assert done.error == "There is no function with the name subtract."


async def test_after_the_last_round_the_model_may_only_answer(sandbox: Sandbox) -> None:
    service = ScriptedService(script=[calls(("add", '{"a": 1}'))] * 2 + [says("Enough.")])
    text, done, _ = await converse(sandbox, service, ADD, rounds=2)
    assert (text, len(done)) == ("Enough.", 2)
    assert [request.tool_choice for request in service.requests] == ["auto", "auto", "none"]


async def test_a_model_that_calls_when_it_may_not_ends_the_answer_all_the_same(sandbox: Sandbox) -> None:
    service = ScriptedService(script=[calls(("add", '{"a": 1}'))] * 2)
    text, done, deltas = await converse(sandbox, service, ADD, rounds=1)
    assert (text, len(done), deltas[-1].usage) == ("", 2, Usage(30, 9))


@pytest.mark.parametrize("choice", ["required", NamedTool("add")])
async def test_a_tool_choice_is_for_the_first_round(sandbox: Sandbox, choice: Any) -> None:
    service = ScriptedService(script=[calls(("add", '{"a": 1}')), says("2")])
    await converse(sandbox, service, ADD, tool_choice=choice)
    assert [request.tool_choice for request in service.requests] == [choice, "auto"]


async def test_what_is_said_beside_calls_is_a_paragraph_of_the_answer(sandbox: Sandbox) -> None:
    script = [calls(("add", '{"a": 1}'), text="I add."), calls(("add", '{"a": 2}')), says("It is 3.")]
    service = ScriptedService(script=script)
    text, _, _ = await converse(sandbox, service, ADD)
    assert text == "I add.\n\nIt is 3."
    assert (service.requests[1].messages or ())[1].content == "I add."


async def test_a_call_of_the_clients_own_tool_ends_the_answer(sandbox: Sandbox) -> None:
    made = calls(("add", '{"a": 1}'), ("search", '{"q": "x"}'))
    service = ScriptedService(script=[made])
    text, done, deltas = await converse(sandbox, service, ADD, tools=(CLIENTS_OWN,))
    assert [tool.name for tool in service.requests[0].tools] == ["search", "add"]
    assert [call.name for delta in deltas for call in delta.tool_calls] == ["search"]
    assert ([call.result for call in done], text) == (["2"], "")
    assert (deltas[-1].finish_reason, deltas[-1].usage) == ("tool_calls", Usage(10, 3))


async def test_what_the_service_raises_comes_through_and_is_counted(sandbox: Sandbox) -> None:
    usage = Usage()
    service = ScriptedService(script=[calls(("add", '{"a": 1}')), [ContextOverflow(9, 9, 9)]])
    with pytest.raises(ContextOverflow):
        await converse(sandbox, service, ADD, usage=usage)
    assert (usage.prompt_tokens, usage.completion_tokens) == (10, 3)


async def test_closing_the_answer_ends_the_generation_and_the_call(sandbox: Sandbox, children: Children) -> None:
    service = ScriptedService(script=[says("a b c")])
    request = TextRequest(model="@cf/fireside/echo", messages=(QUESTION,))
    pieces = generate(service, sandbox, request, await read(sandbox, ADD), 4)
    assert (await anext(pieces)).text == "a"
    assert service.running == 1
    await pieces.aclose()
    assert service.running == 0

    service = ScriptedService(script=[calls(("hang", "{}"))])
    pieces = generate(service, sandbox, request, await read(sandbox, HANG), 4)
    task = asyncio.create_task(anext(pieces))
    await asyncio.to_thread(wait_until, lambda: bool(children()))
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert children() == []


async def test_without_a_sandbox_there_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/bin/false")
    service = ScriptedService(script=[calls(("add", '{"a": 1}'))])
    with pytest.raises(EngineFailed, match="sandbox"):
        await converse(Sandbox(seconds=0.5, memory_mb=32), service, ADD)
