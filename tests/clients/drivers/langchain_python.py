"""langchain-cloudflare, at the run route and at chat/completions."""

from langchain_cloudflare import ChatCloudflareWorkersAI
from langchain_core.messages import HumanMessage, ToolMessage
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


def tools(ask: Ask) -> object:
    said = chat(ask).bind_tools([{"type": "function", "function": ask["tool"]}]).invoke(ask["prompt"])
    [call] = said.tool_calls
    result = ToolMessage(ask["result"], tool_call_id=call["id"])
    answered = chat(ask).invoke([HumanMessage(ask["prompt"]), said, result])
    return {"name": call["name"], "arguments": call["args"], "text": answered.content}


def form(ask: Ask) -> object:
    return chat(ask).with_structured_output(ask["schema"], method="json_schema").invoke(ask["prompt"])


serve(answer=answer, stream=stream, tools=tools, form=form)
