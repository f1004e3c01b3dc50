"""The HTTP calls of a Worker's `env.AI` binding, and the two protocols that carry them here.

The binding (workerd's `ai-api.ts`) sends its calls to `https://workers-binding.ai`, an address of Cloudflare's own:

- `POST /run?version=3`, or `/ai-gateway/run?version=3`: `{"inputs": {…}, "options": {…}}`, the model in the header
  `cf-consn-model-id: [prefix:]MODEL`. The answer is the bare result, or a stream.
- `GET /ai-api/models/search`: answered as the REST API does.
- `/ai-gateway/…`: what `fireside.api.routes.gateway` says.

They arrive here

- at `…/ai/binding/run` and so on: the same paths, for a Worker that stands in for the binding (`clients/worker`);
- at `…/ai/binding`, as miniflare's remote bindings send them: method and body as they were, the URL in `mf-url`, each
  header as `mf-header-NAME`. miniflare tries a WebSocket (its RPC) as well, which the binding's calls do without;
- at `…/ai/run/proxy`, as wrangler 3 and early 4 send them: always POST, headers as they were, the URL in `x-forwarded`.

Errors are one object that every version of the binding can read: older ones know only `internalCode` and `description`.
"""

import re
from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers, QueryParams
from starlette.routing import Route, Router, request_response
from starlette.types import ASGIApp, Receive, Scope, Send

from fireside.api.batches import BatchLookup, NewBatch, read_run
from fireside.api.context import Context
from fireside.api.http.body import read_body
from fireside.api.http.envelope import JsonResponse
from fireside.api.http.scopes import Scoped
from fireside.api.http.wire_errors import error_headers, wire_error, wire_message
from fireside.api.openai import endpoints as openai
from fireside.api.routes import run as native
from fireside.api.routes.gateway import Universal, gateway_log, gateway_url
from fireside.api.routes.models import search_endpoint
from fireside.api.routes.run import TextRuns
from fireside.api.schema.run_input import TextInput
from fireside.errors import BadBody, BadHttp, FeatureUnavailable, InvalidInput, NoSuchRoute

_AI = "/client/v4/accounts/{account_id}/ai"
PATHS = re.compile(r"/client/v4/accounts/[^/]*/ai/(binding(/.*)?|run/proxy)/?", re.DOTALL)
"""The paths whose errors are `error_answer`'s."""

ERROR_NAME = "InferenceUpstreamError"
_PROXIED = b"mf-header-"


def routes(context: Context) -> list[Route]:
    """The binding's calls by their own paths, by miniflare, by older wranglers."""
    run, search = Scoped(_BindingRun(context), "run"), search_endpoint(context)
    log = Scoped(request_response(gateway_log), "run")
    universal = Scoped(Universal(context, [*native.routes(context), *openai.routes(context)]), "run")

    def calls(base: str) -> list[Route]:
        return [
            Route(f"{base}/run", run, methods=["GET", "POST"]),
            Route(f"{base}/ai-gateway/run", run, methods=["GET", "POST"]),
            Route(f"{base}/ai-api/models/search", search),
            Route(f"{base}/ai-gateway/universal/run/{{gateway}}", universal, methods=["POST"]),
            Route(f"{base}/ai-gateway/gateways/{{gateway}}/url/{{provider}}", gateway_url),
            Route(f"{base}/ai-gateway/gateways/{{gateway}}/logs/{{log}}", log, methods=["GET", "PATCH"]),
        ]

    inner = Router(calls(""), redirect_slashes=False, default=_not_offered)
    return [
        *calls(f"{_AI}/binding"),
        Route(f"{_AI}/binding", _Unwrap(inner, _from_miniflare), methods=["GET", "POST", "PATCH"]),
        Route(f"{_AI}/run/proxy", _Unwrap(inner, _from_wrangler), methods=["POST"]),
    ]


def error_answer(error: BaseException) -> JsonResponse:
    """An error as the binding reads it: the code and text become the message of its `InferenceUpstreamError`."""
    wire, message = wire_error(error), wire_message(error)
    body = {
        "internalCode": wire.code,
        "name": ERROR_NAME,
        "description": message,
        "message": message,
        "errors": [{"code": wire.code, "message": message}],
    }
    return JsonResponse(body, status_code=wire.status, headers=error_headers(error))


class _BindingRun:
    """ASGI application of the binding's run call."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._runs = TextRuns(context, JsonResponse)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        _check_is_json(scope)
        body = await read_body(scope, receive, self._context.settings)
        # With a gateway's prefix or without: model ids have no colon.
        model = Headers(scope=scope).get("cf-consn-model-id", "").rpartition(":")[2]
        if not model:
            raise BadBody("The header cf-consn-model-id is missing: it names the model.")
        account = scope["path_params"]["account_id"]
        response = await self._runs.response(account, model, partial(body.parse, _parse_inputs))
        await response(scope, receive, send)


def _check_is_json(scope: Scope) -> None:
    """Refuse, by its name, what the binding sends otherwise than as JSON. Raises FeatureUnavailable."""
    if scope["method"] == "GET":  # the only call that has the input in its URL
        raise FeatureUnavailable("options.websocket: this server answers over HTTP only; leave it out, or use stream.")
    if "userInputs" in QueryParams(scope["query_string"]):
        raise FeatureUnavailable(
            "inputs: binary streams and forms, such as audio or images, are not supported; the models here accept "
            "text only: prompt or messages."
        )


async def _not_offered(scope: Scope, receive: Receive, send: Send) -> None:
    raise NoSuchRoute(
        f"The binding's call {scope['path'][:200]} is not supported: this server has env.AI.run, models and gateway, "
        "but not toMarkdown, autorag or aiSearch."
    )


def _parse_inputs(given: dict[str, Any]) -> TextInput | NewBatch | BatchLookup:
    """The input in a binding's body, whose `options` are a field of the input on the run route. Raises RequestError."""
    inputs = given.get("inputs")
    if not isinstance(inputs, dict):
        raise InvalidInput(['inputs: should be an object, like {"prompt": "…"}'])
    return read_run({**inputs, "options": given.get("options")})


class _Unwrap:
    """ASGI application that hands the call inside a request to another.

    Args:
        inner: gets the request in its original form.
        original: URL, method and headers of the call that a request carries.
    """

    def __init__(self, inner: ASGIApp, original: Callable[[Scope], dict[str, Any]]) -> None:
        self._inner = inner
        self._original = original

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._inner({**scope, **self._original(scope)}, receive, send)


def _from_miniflare(scope: Scope) -> dict[str, Any]:
    url = Headers(scope=scope).get("mf-url")
    if url is None:
        raise BadHttp(
            "This is the URL for miniflare's ai.remoteProxyConnectionString. It accepts HTTP requests that name the "
            "binding's own URL in the header mf-url; WebSockets are not supported."
        )
    own = [(name, value) for name, value in scope["headers"] if not name.startswith(_PROXIED)]
    original = [(name.removeprefix(_PROXIED), value) for name, value in scope["headers"] if name.startswith(_PROXIED)]
    return {**_place(url), "headers": original + own}  # of two with one name, readers take the first


def _from_wrangler(scope: Scope) -> dict[str, Any]:
    place = _place(Headers(scope=scope).get("x-forwarded", ""))
    # It sends POST whatever the call was.
    asks = place["path"].startswith(("/ai-api/", "/ai-gateway/gateways/"))
    return {**place, "method": "GET" if asks else "POST"}


def _place(url: str) -> dict[str, Any]:
    try:
        parts = urlsplit(url)
    except ValueError:
        raise BadHttp("The URL of the binding's call cannot be read.") from None
    return {"path": parts.path.removesuffix("/"), "query_string": parts.query.encode()}
