"""A request's functions: whether they may run here, and how their calls look in an answer."""

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from fireside.api.schema.run_input import PromptInput, TextInput
from fireside.errors import FeatureUnavailable, InvalidInput
from fireside.functions.reader import FunctionReader
from fireside.functions.schema import Function
from fireside.serving.types import FunctionCall
from fireside.settings import Settings


async def runnable_functions(
    settings: Settings, reader: FunctionReader, account: str, given: TextInput
) -> tuple[Function, ...]:
    """The request's functions, if it has any.

    Raises:
        FeatureUnavailable: the operator has not turned functions on.
        InvalidInput: functions that are not understood, or do not go with the rest of the request.
        Busy, EngineFailed: as `FunctionReader.functions_of` does.
    """
    if isinstance(given, PromptInput) or not given.functions:
        return ()
    if not settings.functions:
        raise FeatureUnavailable(
            "This server does not run functions: send the request without functions, or have its operator set "
            "FIRESIDE_FUNCTIONS=true."
        )
    if given.raw:
        raise InvalidInput(["functions: not with raw, which leaves no place to tell the model of them"])
    if given.response_format is not None or given.guided_json is not None:
        raise InvalidInput(["response_format: not with functions; leave one out"])
    code = [(function.name, function.code) for function in given.functions]
    functions = await reader.functions_of(account, code)
    tools = {tool.name for tool in given.tools}
    if taken := [function.name for function in functions if function.name in tools]:
        raise InvalidInput([f"functions: {taken[0]} is the name of a tool"])
    return functions


class FunctionCallObject(msgspec.Struct, frozen=True):
    """A call that ran here, as clients read it."""

    name: str
    arguments: Any
    milliseconds: int
    result: Any | UnsetType = UNSET
    error: str | UnsetType = UNSET


def function_call_object(call: FunctionCall) -> FunctionCallObject:
    """The object of one call; arguments that are no JSON are a string."""
    result = UNSET if call.result is None else msgspec.Raw(call.result.encode())
    error = UNSET if call.error is None else call.error
    return FunctionCallObject(call.name, _arguments(call.arguments), call.milliseconds, result, error)


def _arguments(text: str) -> object:
    """The value of a JSON text, which may have line ends between its parts, where a frame has none."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return text
