"""From OpenAI's fields to one `TextRequest`."""

from fireside.api.openai.inputs import COMPLETION_TOKENS, LONGEST_ANSWER, ChatInput, CompletionInput, FunctionTool, Turn
from fireside.api.tools import answer_form, tool_choice
from fireside.errors import FeatureUnavailable
from fireside.prompting.messages import Message, Tool, ToolCall
from fireside.serving.types import TextRequest


def chat_request(parsed: ChatInput, model: str, account: str) -> TextRequest:
    """The request of a chat completion for `model` (an id without a fine-tune's name).

    Raises InvalidInput when tools and tool_choice do not go together, FeatureUnavailable for forms and tools together.
    """
    tools = tuple(_tool(tool) for tool in parsed.tools)
    limit = parsed.max_completion_tokens or parsed.max_tokens
    request = TextRequest(
        model=model,
        messages=tuple(_message(turn) for turn in parsed.messages),
        max_tokens=limit or LONGEST_ANSWER,
        clip=limit is None,
        sampling=parsed.sampling(),
        tenant=account,
        wait=not parsed.options.reject_if_busy,
        stop=tuple(parsed.stop),
        form=answer_form(parsed.response_format, parsed.guided_json),
        tools=tools,
        tool_choice=tool_choice(parsed.tool_choice, [tool.name for tool in tools]),
    )
    if request.form is not None and request.offered_tools:
        raise FeatureUnavailable("response_format: not together with tools that may be called.")
    return request


def completion_request(parsed: CompletionInput, model: str, account: str) -> TextRequest:
    """The request of a completion: the prompt goes to the model as it is."""
    return TextRequest(
        model=model,
        prompt=parsed.prompt[0],
        raw=True,
        max_tokens=parsed.max_tokens or COMPLETION_TOKENS,
        clip=parsed.max_tokens is None,
        sampling=parsed.sampling(),
        tenant=account,
        wait=not parsed.options.reject_if_busy,
        stop=tuple(parsed.stop),
    )


def _message(turn: Turn) -> Message:
    calls = tuple(ToolCall(call.id, call.function.name, call.function.arguments) for call in turn.tool_calls or ())
    role = "system" if turn.role == "developer" else turn.role
    name = turn.name if turn.role == "tool" else None
    return Message(role, turn.content, calls, turn.tool_call_id, name)


def _tool(tool: FunctionTool) -> Tool:
    function = tool.function
    return Tool(function.name, function.description, function.parameters)
