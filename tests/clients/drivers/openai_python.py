"""The official OpenAI SDK for Python."""

from openai import OpenAI
from protocol import Ask, piece, serve


def client(ask: Ask) -> OpenAI:
    base = ask["url"] + ask.get("base", "/client/v4/accounts/acc/ai/v1")
    return OpenAI(base_url=base, api_key=ask["token"], max_retries=0)


def question(ask: Ask) -> dict[str, object]:
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


def models(ask: Ask) -> object:
    listed = [model.id for model in client(ask).models.list()]
    return [client(ask).models.retrieve(model).id for model in listed]


serve(answer=answer, stream=stream, complete=complete, models=models)
