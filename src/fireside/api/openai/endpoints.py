"""OpenAI-compatible routes: `chat/completions`, `completions` and `models`.

Served at `/client/v4/accounts/{account_id}/ai/v1`, as in the hosted service, and at `/v1` for tools that expect it;
there the account is the token's.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any, Generic, TypeVar

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from fireside.api.context import Context
from fireside.api.generation import AnswerWriter, Generation, GenerationResponse
from fireside.api.http.auth import account_of
from fireside.api.http.body import read_body
from fireside.api.http.envelope import JsonResponse
from fireside.api.openai.error_body import OPENAI_ERRORS
from fireside.api.openai.fields import ChatInput, CompletionInput, parse
from fireside.api.openai.objects import ChatCompletion, ChatCompletionChunk, Completion, Model, ModelList
from fireside.api.openai.requests import chat_choices, completion_choices
from fireside.api.openai.writers import ChatWriter, CompletionWriter
from fireside.api.schema.operation import GENERATING, Doc, Operation
from fireside.catalog.spec import ModelSpec
from fireside.errors import InvalidModelId, UnknownModel
from fireside.serving.choices import Choices

Asked = TypeVar("Asked", ChatInput, CompletionInput)

BASES = {"/client/v4/accounts/{account_id}/ai/v1": "", "/v1": "V1"}
"""Where the routes are, and how the names of their operations end."""


def routes(context: Context) -> list[Route]:
    """Chat, completions, models, at both bases."""

    async def models(request: Request) -> Response:
        named = [(name, spec) for spec in context.service.models() for name in spec.names]
        return JsonResponse(ModelList(data=[_model(name, spec) for name, spec in named]))

    async def model(request: Request) -> Response:
        wanted = request.path_params["model"]
        return JsonResponse(_model(wanted, context.exact_model(wanted)))

    chat = _Generating(context, ChatInput, chat_choices, ChatWriter)
    completions = _Generating(context, CompletionInput, completion_choices, CompletionWriter)
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
                    "Create a chat completion",
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
                    "Create a completion",
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
                _doc(f"getModel{suffix}", "Get a model", Model, raises=[UnknownModel, InvalidModelId]),
            ),
        )
    ]


def _doc(name: str, summary: str, result: Any, **more: Any) -> Doc:
    return Doc(id=name, tag="OpenAI", summary=summary, result=result, errors=OPENAI_ERRORS, **more)


class _Generating(Generic[Asked]):
    """ASGI application of chat/completions or completions.

    Args:
        kind: what checks the body.
        choices: makes the requests of what was asked, for a model and an account.
        writer: writes the answers.
    """

    def __init__(
        self,
        context: Context,
        kind: type[Asked],
        choices: Callable[[Asked, str, str], Choices],
        writer: Callable[..., AnswerWriter],
    ) -> None:
        self._context = context
        self._kind: type[Asked] = kind
        self._choices: Callable[[Asked, str, str], Choices] = choices
        self._writer = writer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        context = self._context
        body = await read_body(scope, receive, context.settings)
        parsed = await body.parse(partial(parse, self._kind))
        model, named_lora = _split(parsed.model)
        generation = Generation(
            spec=context.service.resolve(model),
            choices=self._choices(parsed, model, account_of(Request(scope))),
            lora=parsed.lora or named_lora,
            stream=parsed.stream,
        )
        writer = self._writer(parsed, padded=context.settings.stream_padding)
        await GenerationResponse(context, generation, writer)(scope, receive, send)


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
