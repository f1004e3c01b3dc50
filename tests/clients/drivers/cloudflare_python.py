"""The official Cloudflare SDK for Python."""

import json
from typing import Any

from cloudflare import Cloudflare
from protocol import Ask, piece, serve


def client(ask: Ask) -> Cloudflare:
    return Cloudflare(base_url=f"{ask['url']}/client/v4", api_token=ask["token"], max_retries=0)


def answer(ask: Ask) -> object:
    said: Any = client(ask).ai.run(ask["model"], account_id="acc", prompt=ask["prompt"], extra_body=ask["options"])
    return {"text": said["response"], "tokens": said["usage"]["total_tokens"]}


def stream(ask: Ask) -> object:
    text, tokens = "", None
    body = {"stream": True, **ask["options"]}
    ai = client(ask).ai.with_streaming_response
    with ai.run(ask["model"], account_id="acc", prompt=ask["prompt"], extra_body=body) as response:
        for line in response.iter_lines():
            if not line.startswith("data: ") or line == "data: [DONE]":
                continue
            frame = json.loads(line.removeprefix("data: "))
            if "error" in frame:
                raise RuntimeError(frame["error"]["message"])
            piece(frame["response"])
            text += frame["response"]
            tokens = frame.get("usage", {}).get("total_tokens", tokens)
    return {"text": text, "tokens": tokens}


def models(ask: Ask) -> object:
    listed: Any = client(ask).ai.models.list(account_id="acc")
    return [model["name"] for model in listed]


def tools(ask: Ask) -> object:
    def run(messages: list[Any], **fields: object) -> Any:
        return client(ask).ai.run(ask["model"], account_id="acc", messages=messages, extra_body=fields)

    question = {"role": "user", "content": ask["prompt"]}
    said = run([question], tools=[ask["tool"]])
    [call] = said["tool_calls"]
    turn = {"role": "assistant", "content": said["response"] or "", "tool_calls": [call]}
    answered = run([question, turn, {"role": "tool", "name": call["name"], "content": ask["result"]}])
    return {**call, "text": answered["response"]}


def form(ask: Ask) -> object:
    wanted = {"type": "json_schema", "json_schema": ask["schema"]}
    body = {"response_format": wanted}
    said: Any = client(ask).ai.run(ask["model"], account_id="acc", prompt=ask["prompt"], extra_body=body)
    return said["response"]


serve(answer=answer, stream=stream, models=models, tools=tools, form=form)
