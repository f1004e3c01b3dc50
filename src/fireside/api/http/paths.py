"""The one spelling of a path that guard, routes and errors go by.

Clients make others of it:

- the documentation's own examples end some paths with a slash; a base URL that ends with one doubles it;
- an AI Gateway has the same routes at addresses of its own, `/v1/{account}/{gateway}/…`. Here a gateway of any name is
  the server itself.
"""

import re

OPENAPI_PATH = "/openapi.json"
"""Where the description of the API is."""

_SLASHES = re.compile("/{2,}")
_GATEWAY = re.compile(r"/v1/([^/]+)/[^/]+/(?:workers-ai/(?:(v1/.+)|(?:run/)?(@.+))|compat/(?:v1/)?(.+))", re.DOTALL)


def canonical(path: str) -> str:
    """The path as the routes have it: `/client/v4/accounts/acc/ai/run/@hf/a/b` of `/v1/acc/mine/workers-ai/@hf/a/b`."""
    path = _SLASHES.sub("/", path).removesuffix("/") or "/"
    found = _GATEWAY.fullmatch(path)
    if found is None:
        return path
    account, openai, model, compat = found.groups()
    place = openai or (f"run/{model}" if model else f"v1/{compat}")
    return f"/client/v4/accounts/{account}/ai/{place}"


_OPENAI = re.compile(r"(?:/client/v4/accounts/[^/]+/ai)?/v1/.*", re.DOTALL)
_GATEWAYS = re.compile(r"/v1/[^/]+/[^/]+/.*", re.DOTALL)


def what_is_there(path: str) -> str:
    """For a path that leads nowhere: what there is instead; empty where that is a guess."""
    if _GATEWAYS.fullmatch(path) and not path.startswith(("/v1/chat/", "/v1/models/")):
        return ": of an AI Gateway this server has workers-ai/{model}, workers-ai/v1/… and compat/…"
    if _OPENAI.fullmatch(path):
        return ": of OpenAI's API this server has chat/completions, completions and models"
    return ""
