"""`GET /`: what this is, for somebody who opens the address in a browser."""

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from fireside import __version__
from fireside.api.context import Context

_HEADERS = {
    "content-security-policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
}
_PAGE = f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Fireside</title>
<h1>Fireside {__version__}</h1>
<p>This server answers the Workers AI text-generation API:
<code>POST /client/v4/accounts/ACCOUNT_ID/ai/run/MODEL</code>.</p>
<p>The playground will be on this page.</p>
</html>
"""


def routes(context: Context) -> list[Route]:
    """The front page."""

    async def home(request: Request) -> Response:
        return HTMLResponse(_PAGE, headers=_HEADERS)

    return [Route("/", home)]
