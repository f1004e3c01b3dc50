"""The official Cloudflare SDK for Python."""

import json

from cloudflare import Cloudflare
from protocol import Ask, piece, serve


def client(ask: Ask) -> Cloudflare:
    return Cloudflare(base_url=f"{ask['url']}/client/v4", api_token=ask["token"], max_retries=0)


def answer(ask: Ask) -> object:
    said = client(ask).ai.run(ask["model"], account_id="acc", prompt=ask["prompt"], extra_body=ask["options"])
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
    return [model["name"] for model in client(ask).ai.models.list(account_id="acc")]


serve(answer=answer, stream=stream, models=models)
