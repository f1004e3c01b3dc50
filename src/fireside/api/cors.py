"""Web pages of other origins, as the operator allows them (CORS).

A page that may call still needs a token where there are tokens: an origin is no proof of who asks.
"""

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

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
    return CORSMiddleware(
        app,
        allow_origins=sorted(origins),
        allow_methods=["GET", "POST", "PUT", "DELETE"],
        allow_headers=["*"],
        allow_private_network=True,
        expose_headers=["cf-ai-req-id", "fireside-served-by", "retry-after"],
    )
