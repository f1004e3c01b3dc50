"""The web pages and their files: `/`, `/models/…`, `/playground`, `/docs` and `/static/…`.

They hold no secret and are open to everybody who reaches the server; whatever they show comes from the API, which asks
for a token where one is needed. A page can run none but its own scripts and talk to none but its own server.
"""

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from fireside import __version__
from fireside.web.assets import STATIC_PATH, Asset, load_assets

_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
        "worker-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        # Text becomes markup in one place only, the sanitiser's; one file is a worker's script.
        "require-trusted-types-for 'script'",
        "trusted-types dompurify fireside-worker",
    )
)
_PAGE_HEADERS = {
    "content-security-policy": _POLICY,
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "cache-control": "no-cache",
}
_FILE_HEADERS = {
    # A worker has the policy of its own file: it may import its modules, and do nothing else.
    "content-security-policy": "default-src 'none'; script-src 'self'; frame-ancestors 'none'",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "public, max-age=31536000, immutable",
}
_IN_WORDS = f"""Fireside {__version__} answers the Workers AI text-generation API:

  POST /client/v4/accounts/ACCOUNT_ID/ai/run/MODEL
  GET  /client/v4/accounts/ACCOUNT_ID/ai/models/search

Open this address in a browser for the models and the playground.
"""


def routes() -> list[Route]:
    """Pages and files."""
    assets = load_assets()

    async def home(request: Request) -> Response:
        if "text/html" in request.headers.get("accept", ""):
            return _send(assets.page("catalogue.html"), request.headers, _PAGE_HEADERS, vary="accept, accept-encoding")
        return PlainTextResponse(_IN_WORDS, headers={"vary": "accept"})

    async def model(request: Request) -> Response:
        return _send(assets.page("model.html"), request.headers, _PAGE_HEADERS)

    async def reference(request: Request) -> Response:
        return _send(assets.page("docs.html"), request.headers, _PAGE_HEADERS)

    async def playground(request: Request) -> Response:
        return _send(assets.page("playground.html"), request.headers, _PAGE_HEADERS)

    async def file(request: Request) -> Response:
        found = assets.file(request.path_params["name"])
        # A page that was opened before an update asks for the files of then: a mixture of both would be worse.
        if found is None or request.path_params["version"] != assets.version:
            raise HTTPException(404)
        return _send(found, request.headers, _FILE_HEADERS)

    return [
        Route("/", home),
        Route("/models/{model:path}", model),
        Route("/playground", playground),
        Route("/docs", reference),
        Route(f"{STATIC_PATH}/{{version}}/{{name:path}}", file),
    ]


def _send(asset: Asset, asked: Headers, headers: dict[str, str], vary: str = "accept-encoding") -> Response:
    headers = {**headers, "etag": asset.tag, "vary": vary}
    if asset.tag in [tag.strip() for tag in asked.get("if-none-match", "").split(",")]:
        return Response(status_code=304, headers=headers)
    codings = [coding.partition(";")[0].strip() for coding in asked.get("accept-encoding", "").split(",")]
    if "gzip" in codings:
        return Response(asset.gzipped, media_type=asset.media_type, headers={**headers, "content-encoding": "gzip"})
    return Response(asset.body, media_type=asset.media_type, headers=headers)
