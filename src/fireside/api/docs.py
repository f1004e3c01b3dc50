"""`GET /docs`: the API's documentation to read and to try, by Swagger UI, with no internet."""

from functools import cache
from importlib.resources import files

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

DOCS_PATH = "/docs"
_FILES = {
    DOCS_PATH: ("index.html", "text/html"),
    f"{DOCS_PATH}/swagger-ui-bundle.js": ("swagger-ui-bundle.js", "text/javascript"),
    f"{DOCS_PATH}/swagger-ui.css": ("swagger-ui.css", "text/css"),
    f"{DOCS_PATH}/start.js": ("start.js", "text/javascript"),
}
PATHS = frozenset(_FILES)

_HEADERS = {
    # data: is for Swagger UI's icons, which its style sheet holds.
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",
}


def routes() -> list[Route]:
    """The page and its files."""

    async def endpoint(request: Request) -> Response:
        name, media_type = _FILES[request.scope["path"]]
        return Response(_content(name), media_type=media_type, headers=_HEADERS)

    return [Route(path, endpoint) for path in _FILES]


@cache
def _content(name: str) -> bytes:
    return (files("fireside.api") / "swagger_ui" / name).read_bytes()
