"""`chat/completions`, `completions` and `models` as OpenAI's clients ask for them.

At `/client/v4/accounts/{account_id}/ai/v1`, where the hosted service has them, and at `/v1`, for tools that want it;
the account is then the token's.
"""

from datetime import UTC, datetime
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from fireside.api.account import account_of
from fireside.api.body import read_body
from fireside.api.context import Context
from fireside.api.envelope import JsonResponse
from fireside.api.generation import Form, respond
from fireside.api.models import exact_model
from fireside.api.openai.forms import ChatForm, CompletionForm
from fireside.api.openai.inputs import ChatInput, CompletionInput, parse
from fireside.api.openai.objects import ChatCompletion, ChatCompletionChunk, Completion, Model, ModelList
from fireside.api.openai.requests import chat_request, completion_request
from fireside.api.operation import GENERATING, Doc, Operation
from fireside.catalog.spec import ModelSpec
from fireside.errors import InvalidModelId, UnknownModel
from fireside.serving.types import TextRequest

BASES = {"/client/v4/accounts/{account_id}/ai/v1": "", "/v1": "V1"}
"""Where the routes are, and how the names of their operations end."""


def routes(context: Context) -> list[Route]:
    """Chat, completions, models, at both bases."""

    async def models(request: Request) -> Response:
        named = [(name, spec) for spec in context.service.models() for name in spec.names]
        return JsonResponse(ModelList(data=[_model(name, spec) for name, spec in named]))

    async def model(request: Request) -> Response:
        wanted = request.path_params["model"]
        return JsonResponse(_model(wanted, exact_model(context.service, wanted)))

    chat, completions = _Chat(context), _Completions(context)
    return [
        operation
        for base, suffix in BASES.items()
        for operation in (
            Operation(
                "POST",
                f"{base}/chat/completions",
                chat,
                _doc(
                    f"createChatCompletion{suffix}",
                    "Answer a conversation",
                    ChatCompletion,
                    body=ChatInput,
                    frames=ChatCompletionChunk,
                    raises=GENERATING,
                    scope="run",
                ),
            ),
            Operation(
                "POST",
                f"{base}/completions",
                completions,
                _doc(
                    f"createCompletion{suffix}",
                    "Continue a text",
                    Completion,
                    body=CompletionInput,
                    frames=Completion,
                    raises=GENERATING,
                    scope="run",
                ),
            ),
            Operation("GET", f"{base}/models", models, _doc(f"listModels{suffix}", "List models", ModelList)),
            Operation(
                "GET",
                f"{base}/models/{{model:path}}",
                model,
                _doc(f"getModel{suffix}", "One model", Model, raises=[UnknownModel, InvalidModelId]),
            ),
        )
    ]


def _doc(name: str, summary: str, result: Any, **more: Any) -> Doc:
    return Doc(id=name, tag="OpenAI", summary=summary, result=result, openai=True, **more)


class _Chat:
    """ASGI application of chat/completions."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        context = self._context
        body = await read_body(scope, receive, context.settings)
        parsed = await body.parse(partial(parse, ChatInput))
        model, named_lora = _split(parsed.model)
        form = ChatForm(
            parsed.model,
            include_usage=parsed.stream_options.include_usage,
            padded=context.settings.stream_padding,
            one_call=not parsed.parallel_tool_calls,
        )
        request = chat_request(parsed, model, account_of(Request(scope)))
        await _respond(context, request, form, parsed.lora or named_lora, parsed.stream, scope, receive, send)


class _Completions:
    """ASGI application of completions."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        context = self._context
        body = await read_body(scope, receive, context.settings)
        parsed = await body.parse(partial(parse, CompletionInput))
        model, named_lora = _split(parsed.model)
        form = CompletionForm(
            parsed.model,
            include_usage=parsed.stream_options.include_usage,
            padded=context.settings.stream_padding,
        )
        request = completion_request(parsed, model, account_of(Request(scope)))
        await _respond(context, request, form, parsed.lora or named_lora, parsed.stream, scope, receive, send)


async def _respond(
    context: Context,
    request: TextRequest,
    form: Form,
    lora: str | None,
    stream: bool,
    scope: Scope,
    receive: Receive,
    send: Send,
) -> None:
    spec = context.service.resolve(request.model)
    await respond(context, spec, request, form, lora=lora, stream=stream, scope=scope, receive=receive, send=send)


def _split(model: str) -> tuple[str, str | None]:
    """Model id and name of a fine-tune: of `@hf/author/name:NAME`, or of an id alone; a gateway's prefix left out."""
    model_id, _, lora = model.removeprefix("workers-ai/").partition(":")
    return model_id, lora or None


def _model(name: str, spec: ModelSpec) -> Model:
    return Model(id=name, created=_seconds(spec.created_at), owned_by=name.split("/")[1])


def _seconds(date: str) -> int:
    """Seconds since 1970; 0 for what a user's catalog file has no date in."""
    try:
        return int(datetime.fromisoformat(date).replace(tzinfo=UTC).timestamp())
    except ValueError:
        return 0
