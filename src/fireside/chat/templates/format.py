"""A checkpoint's own template as a chat format."""

import re
from collections.abc import Collection, Iterable
from dataclasses import replace
from functools import lru_cache

import msgspec

from fireside.chat.dialects import ToolDialect, to_json
from fireside.chat.formats import TEMPLATE, formats
from fireside.chat.formats.base import ChatFormat, Conversation, blank_lined
from fireside.chat.messages import Message
from fireside.chat.pieces import Piece, control, words
from fireside.chat.templates.messages import Job, JobCall, JobMessage, JobTool, Rendered
from fireside.chat.templates.renderer import TemplateRenderer
from fireside.chat.templates.source import CheckpointTemplate
from fireside.chat.tools import HERMES, as_plain_text
from fireside.errors import InvalidInput, UnsupportedWeights

_THOUGHT = ("<think>", "</think>")


def template_format(
    template: CheckpointTemplate, special: Collection[str], renderer: TemplateRenderer | None
) -> ChatFormat:
    """The format that renders prompts with a checkpoint's own template.

    Args:
        special: texts of the vocabulary's special and added tokens. Where the template itself writes one, it becomes
            that token.
        renderer: None opens one for each prompt.
    """
    dialect = dialect_of(template.source)
    tokens = _any_of(tuple(special))

    def render(conversation: Conversation) -> list[Piece]:
        job = _job(conversation, template, dialect)
        answer = _ask(job, renderer)
        if answer.refused is not None and (joined := _without_system(job)) is not None:
            job, answer = joined, _ask(joined, renderer)
        _check(answer, job)
        return _pieces(answer.parts, tokens)

    thinking = _THOUGHT if _THOUGHT[1] in template.source else None
    return replace(formats()[TEMPLATE], render=render, dialect=dialect, thinking=thinking)


@lru_cache(maxsize=16)
def _any_of(texts: tuple[str, ...]) -> re.Pattern[str] | None:
    """A pattern that finds the longest of the tokens; None if there are none.

    Tokens that are only whitespace (Gemma has some) are left out: they are tokenised with the text around them.
    """
    named = [text for text in texts if text.strip()]
    pattern = "|".join(map(re.escape, sorted(named, key=len, reverse=True)))
    return re.compile(f"({pattern})") if pattern else None


def dialect_of(source: str) -> ToolDialect:
    """The tool dialect that a template's text implies: Hermes if it does not mention tools."""
    known = formats()
    if "tools" in source:
        if "[TOOL_CALLS]" in source:
            return known["mistral-v3"].dialect
        if "<tool_call>" in source and '"arguments"' in source:
            return known["qwen"].dialect
        if '"parameters": ' in source and "<|start_header_id|>" in source:
            return known["llama3.1"].dialect
    return HERMES


def _job(conversation: Conversation, template: CheckpointTemplate, dialect: ToolDialect) -> Job:
    messages, offer = list(conversation.messages), conversation.offer
    if dialect is HERMES:
        # The template does not know tools: calls become assistant text, and results user text.
        messages = [replace(one, role="user") if one.role == "tool" else one for one in as_plain_text(messages)]
        offer = None
    last = messages[-1]
    open_turn = last.role == "assistant" and not last.tool_calls and bool(last.content.strip())
    if last.role == "assistant" and not open_turn and not last.tool_calls and len(messages) > 1:
        messages.pop()  # it is empty: the prompt opens its turn
    tools = offer.tools if offer else ()
    return Job(
        template.source,
        [_message(message) for message in messages],
        [JobTool(tool.name, tool.description, to_json(tool.parameters)) for tool in tools],
        dict(template.tokens),
        conversation.thinking,
        open_turn,
    )


def _message(message: Message) -> JobMessage:
    calls = [JobCall(call.id, call.name, call.arguments) for call in message.tool_calls]
    return JobMessage(message.role, message.content, calls, message.name, message.tool_call_id)


def _without_system(job: Job) -> Job | None:
    """The same job with the system text before the first user text, for templates without a system role; else None."""
    messages = job.messages
    if len(messages) < 2 or (messages[0].role, messages[1].role) != ("system", "user"):
        return None
    first = JobMessage("user", blank_lined([messages[0].content, messages[1].content]))
    return msgspec.structs.replace(job, messages=[first, *messages[2:]])


def _ask(job: Job, renderer: TemplateRenderer | None) -> Rendered:
    if renderer is not None:
        return renderer.render(job)
    renderer = TemplateRenderer()
    try:
        return renderer.render(job)
    finally:
        renderer.close()


def _check(answer: Rendered, job: Job) -> None:
    """Raise InvalidInput or UnsupportedWeights if the answer is not a prompt."""
    if answer.refused is not None:
        raise InvalidInput([f"messages: the model's chat template rejects them: {answer.refused}"])
    if answer.lost is not None:
        role = job.messages[answer.lost].role
        raise InvalidInput([f"messages: the model's chat template leaves out a message with the role {role!r}"])
    if answer.unusable is not None:
        raise UnsupportedWeights(
            f"The model's own chat template cannot be used: {answer.unusable}. Name one of Fireside's chat formats as "
            "prompt.style in its catalog file."
        )


def _pieces(parts: Iterable[tuple[str, bool]], tokens: re.Pattern[str] | None) -> list[Piece]:
    pieces: list[Piece] = []
    for text, is_clients in parts:
        if is_clients or tokens is None:
            pieces += words(text)
        else:
            # Every other part is a token.
            for index, part in enumerate(tokens.split(text)):
                pieces += [control(part)] if index % 2 else words(part)
    return pieces
