"""langchain-cloudflare, at the run route and at chat/completions."""

from langchain_cloudflare import ChatCloudflareWorkersAI
from protocol import Ask, piece, serve


def chat(ask: Ask) -> ChatCloudflareWorkersAI:
    return ChatCloudflareWorkersAI(
        account_id="acc",
        api_token=ask["token"],
        base_url=f"{ask['url']}/client/v4",
        model=ask["model"],
        endpoint_format=ask["format"],
        **ask["options"],
    )


def answer(ask: Ask) -> object:
    said = chat(ask).invoke(ask["prompt"])
    return {
        "text": said.content,
        "finish": said.response_metadata.get("finish_reason"),
        "tokens": said.usage_metadata["total_tokens"],
    }


def stream(ask: Ask) -> object:
    text, finish = "", None
    for chunk in chat(ask).stream(ask["prompt"]):
        piece(chunk.content)
        text += chunk.content
        finish = chunk.response_metadata.get("finish_reason") or finish
    return {"text": text, "finish": finish}


serve(answer=answer, stream=stream)
