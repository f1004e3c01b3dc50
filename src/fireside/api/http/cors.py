"""Web pages of other origins, as the operator allows them (CORS).

A page that may call still needs a token where there are tokens: an origin does not prove who asks.
"""

from starlette.datastructures import MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fireside.settings import Settings

ANY = "*"


def allowed_origins(settings: Settings) -> frozenset[str]:
    """The origins of the setting, in lower case."""
    return frozenset(origin.strip().lower() for origin in settings.allowed_origins.split(",")) - {""}


def with_cors(app: ASGIApp, settings: Settings) -> ASGIApp:
    """The application, answering preflights and naming the origins it allows, on errors and streams, too."""
    origins = allowed_origins(settings)
    if not origins:
        return app
    answering = CORSMiddleware(
        app,
        allow_origins=sorted(origins),
        allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
        allow_headers=["*"],
        # Cookies and the like mean nothing here, but a page may send all its requests with them.
        allow_credentials=ANY not in origins,
        allow_private_network=True,
        expose_headers=["cf-ai-req-id", "cf-aig-step", "fireside-served-by", "retry-after"],
    )
    return _Varying(answering)


class _Varying:
    """Tells caches that answers differ by origin, in those to nobody's page, too."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def varying(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(raw=message.setdefault("headers", []))
                if "origin" not in headers.get("vary", "").lower():
                    headers.add_vary_header("Origin")
                    message["headers"] = headers.raw
            await send(message)

        await self._app(scope, receive, varying)
