"""litellm, by its cloudflare and by its openai provider."""

import json
import os
from typing import Any

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # or it fetches a list of prices when it is imported

import litellm
from protocol import Ask, piece, serve

litellm.suppress_debug_info = True


def question(ask: Ask) -> dict[str, Any]:
    return {
        "model": f"{ask['provider']}/{ask['model']}",
        "api_base": f"{ask['url']}/client/v4/accounts/acc/ai/v1",
        "api_key": ask["token"],
        "messages": [{"role": "user", "content": ask["prompt"]}],
        "num_retries": 0,
        "max_retries": 0,
        **ask["options"],
    }


def answer(ask: Ask) -> object:
    said = litellm.completion(**question(ask))
    [choice] = said.choices
    return {"text": choice.message.content, "finish": choice.finish_reason, "tokens": said.usage.total_tokens}


def stream(ask: Ask) -> object:
    text, finish, tokens = "", None, None
    for chunk in litellm.completion(**question(ask), stream=True, stream_options={"include_usage": True}):
        for choice in chunk.choices:
            piece(choice.delta.content or "")
            text += choice.delta.content or ""
            finish = choice.finish_reason or finish
        usage = getattr(chunk, "usage", None)
        tokens = usage.total_tokens if usage else tokens
    return {"text": text, "finish": finish, "tokens": tokens}


def tools(ask: Ask) -> object:
    asked = question(ask) | {"tools": [{"type": "function", "function": ask["tool"]}]}
    message = litellm.completion(**asked).choices[0].message
    [call] = message.tool_calls
    result = {"role": "tool", "tool_call_id": call.id, "content": ask["result"]}
    said = litellm.completion(**asked | {"messages": [*asked["messages"], message, result], "tool_choice": "none"})
    return {
        "name": call.function.name,
        "arguments": json.loads(call.function.arguments),
        "text": said.choices[0].message.content,
    }


def form(ask: Ask) -> object:
    wanted = {"type": "json_schema", "json_schema": {"name": "person", "schema": ask["schema"]}}
    said = litellm.completion(**question(ask), response_format=wanted)
    return json.loads(said.choices[0].message.content)


serve(answer=answer, stream=stream, tools=tools, form=form)
