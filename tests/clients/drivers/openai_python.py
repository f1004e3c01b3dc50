"""The official OpenAI SDK for Python."""

import json
from typing import Any

from openai import OpenAI
from protocol import Ask, piece, serve


def client(ask: Ask) -> Any:
    """An `OpenAI`; what it is asked comes as data, so that its overloads say nothing."""
    base = ask["url"] + ask.get("base", "/client/v4/accounts/acc/ai/v1")
    return OpenAI(base_url=base, api_key=ask["token"], max_retries=0)


def question(ask: Ask) -> dict[str, Any]:
    return {"model": ask["model"], "messages": [{"role": "user", "content": ask["prompt"]}], **ask["options"]}


def answer(ask: Ask) -> object:
    said = client(ask).chat.completions.create(**question(ask))
    [choice] = said.choices
    return {"text": choice.message.content, "finish": choice.finish_reason, "tokens": said.usage.total_tokens}


def stream(ask: Ask) -> object:
    text, finish, tokens = "", None, None
    options = {"stream": True, "stream_options": {"include_usage": True}}
    for chunk in client(ask).chat.completions.create(**question(ask), **options):
        for choice in chunk.choices:
            piece(choice.delta.content or "")
            text += choice.delta.content or ""
            finish = choice.finish_reason or finish
        tokens = chunk.usage.total_tokens if chunk.usage else tokens
    return {"text": text, "finish": finish, "tokens": tokens}


def complete(ask: Ask) -> object:
    said = client(ask).completions.create(model=ask["model"], prompt=ask["prompt"], **ask["options"])
    [choice] = said.choices
    return {"text": choice.text, "finish": choice.finish_reason, "tokens": said.usage.total_tokens}


def several(ask: Ask) -> object:
    create = client(ask).completions.create
    asked = {"model": ask["model"], "prompt": ask["prompts"], "n": 2, "logprobs": 1}
    texts = [choice.text for choice in create(**asked).choices]
    streamed = [""] * len(texts)
    for chunk in create(**asked, stream=True):
        for choice in chunk.choices:
            streamed[choice.index] += choice.text
    scored = client(ask).chat.completions.create(**question(ask), logprobs=True, top_logprobs=1).choices[0].logprobs
    return {"texts": texts, "streamed": streamed, "tokens": [one.token for one in scored.content]}


def models(ask: Ask) -> object:
    listed = [model.id for model in client(ask).models.list()]
    return [client(ask).models.retrieve(model).id for model in listed]


def tools(ask: Ask) -> object:
    create = client(ask).chat.completions.create
    asked = question(ask) | {"tools": [{"type": "function", "function": ask["tool"]}]}
    message = create(**asked).choices[0].message
    [call] = message.tool_calls
    streamed = ""
    for chunk in create(**asked, stream=True):
        for part in chunk.choices[0].delta.tool_calls or []:
            streamed += (part.function.name or "") + (part.function.arguments or "")
    assert streamed == call.function.name + call.function.arguments
    result = {"role": "tool", "tool_call_id": call.id, "content": ask["result"]}
    said = create(**asked | {"messages": [*asked["messages"], message, result], "tool_choice": "none"})
    return {
        "name": call.function.name,
        "arguments": json.loads(call.function.arguments),
        "text": said.choices[0].message.content,
    }


def form(ask: Ask) -> object:
    named = {"name": "person", "schema": ask["schema"]}
    wanted = {"type": "json_schema", "json_schema": named}
    said = client(ask).chat.completions.create(**question(ask), response_format=wanted)
    return json.loads(said.choices[0].message.content)


serve(answer=answer, stream=stream, complete=complete, several=several, models=models, tools=tools, form=form)
