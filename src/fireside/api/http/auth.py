"""Authentication and authorization.

While no token was ever made (only possible on loopback) everybody on this machine may use every account id. But what
comes from this machine is not always its user's: a web page in the browser may be anybody's, also one that another
program serves on localhost, and a reverse proxy hands on requests from far away. So the Host header must then be a
loopback name (against DNS rebinding), a page must be one of this very server (Origin, Sec-Fetch-Site), and a request
that says it was handed on is refused.

Once a token exists, each request but those for public paths (probes, web pages) needs one, and an account's routes need
that account's.

The commands on this machine (`fireside run`, `ps`, `stop`) bring the secret of the server's own file in place of a
token, which counts for the account "local" and from this machine only.
"""

import asyncio
import hmac
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import Scope

from fireside.addresses import is_loopback
from fireside.api.http.cors import ANY, allowed_origins
from fireside.api.http.paths import OPENAPI_PATH
from fireside.errors import ConfigError, NoSuchRoute, NotAuthenticated, NotPermitted
from fireside.settings import Settings
from fireside.store.store import Store
from fireside.store.tokens import SCOPES, TokenGrant
from fireside.web.assets import STATIC_PATH

PROBE_PATHS = frozenset({"/health", "/healthz", "/ready"})
PUBLIC_PATHS = PROBE_PATHS | {OPENAPI_PATH, "/", "/docs", "/playground"}
_PUBLIC_FOLDERS = ("/models/", f"{STATIC_PATH}/")

LOCAL_ID = "local"
"""Stands for token, user and account while the server has no tokens. Any other account id works just as well then."""

COMMAND = TokenGrant("command", LOCAL_ID, frozenset(SCOPES))
"""The grant for the secret in the server's own file."""

_AUTHENTICATION_ERROR = "Authentication error"
_ACCOUNT = re.compile(r"/client/v4/accounts/([^/]*)(?:/.*)?", re.DOTALL)
_ACCOUNT_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_PROXIED = "mf-header-"
"""miniflare hands on the headers that a Worker set for its binding under names that begin so."""
_GATEWAY_AUTHORIZATION = "cf-aig-authorization"
"""An AI Gateway's own token, beside the model provider's."""
_KEY = "x-auth-key"
"""Where clients have an API key rather than a token; it goes with X-Auth-Email, which says nothing here."""
_HANDED_ON = (
    "forwarded",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-forwarded-port",
    "x-forwarded-server",
    "x-forwarded-prefix",
    "x-original-forwarded-for",
    "x-real-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-envoy-external-address",
    "cf-connecting-ip",
    "cf-connecting-ipv6",
    "cf-ray",
    "cdn-loop",
    "true-client-ip",
    "fastly-client-ip",
    "fly-client-ip",
    "x-azure-clientip",
    "x-appengine-user-ip",
    "tailscale-user-login",
    "ngrok-trace-id",
)
"""Headers that reverse proxies and tunnels add, and programs that ask for themselves do not."""
_BEARER = re.compile(r"bearer +([A-Za-z0-9._~+/=-]{1,512})", re.IGNORECASE)
_BARE = re.compile(r"([A-Za-z0-9._~+/=-]{1,512})")
_TOKEN_HEADERS = {
    "authorization": _BEARER,
    f"{_PROXIED}authorization": _BEARER,
    _GATEWAY_AUTHORIZATION: _BEARER,
    _KEY: _BARE,
    f"{_PROXIED}{_KEY}": _BARE,
}
"""What a token may come in: the first that is there counts."""


def is_public(path: str) -> bool:
    """Whether the path is answered without a token: it holds nothing that is not in every copy of Fireside."""
    return path in PUBLIC_PATHS or path.startswith(_PUBLIC_FOLDERS)


def check_exposure(settings: Settings, store: Store) -> None:
    """Raises ConfigError for an address that others can reach, while no token protects the server."""
    if not is_loopback(settings.host) and not store.has_tokens():
        raise ConfigError(
            f"Anyone who reaches {settings.host or 'any address'} could use this server, as it has no tokens. Create "
            "one first: fireside token create. Or listen on 127.0.0.1."
        )


T = TypeVar("T")

_THREADS = 2


class Guard:
    """Admits or rejects a request before it is routed."""

    def __init__(self, settings: Settings, store: Store, secret: str | None = None) -> None:
        """`secret` is what the commands on this machine bring; without it they are nobody special."""
        self._store = store
        self._secret = None if secret is None else secret.encode()
        self._on_loopback = is_loopback(settings.host)
        # Never every origin: without tokens any page on the web could use this server.
        self._origins = allowed_origins(settings) - {ANY}
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="tokens")

    async def admit(self, scope: Scope) -> TokenGrant | None:
        """The token's grant, or None where none is needed.

        Raises NotAuthenticated, NotPermitted, and NoSuchRoute for an account id that cannot be one.
        """
        path, headers = scope["path"], Headers(scope=scope)
        if path in PROBE_PATHS:
            return None
        if self._is_command(scope, headers):
            _check_account(COMMAND.account_id if (found := _ACCOUNT.fullmatch(path)) is None else found[1], COMMAND)
            return COMMAND
        is_open = self._on_loopback and not await self._has_tokens()
        if is_open:
            _check_local(headers)
            navigates = is_public(path) and scope["method"] in ("GET", "HEAD")
            _check_page(headers, self._origins, navigates=navigates)
        grant = None if is_open or is_public(path) else await self._grant(headers)
        account = _ACCOUNT.fullmatch(path)
        if account is not None:
            _check_account(account[1], grant)
        return grant

    def _is_command(self, scope: Scope, headers: Headers) -> bool:
        """Whether the request brings the secret, and comes from this machine by itself."""
        token = _token(headers)
        if self._secret is None or token is None or not hmac.compare_digest(token.encode(), self._secret):
            return False
        client, server = scope.get("client"), scope.get("server")
        # A server on one address of a network has its own machine's requests from that address.
        is_here = client is not None and (is_loopback(client[0]) or (server is not None and client[0] == server[0]))
        return is_here and not any(name in headers for name in _HANDED_ON)

    async def _has_tokens(self) -> bool:
        known = self._store.known_to_have_tokens()
        return await self._ask(self._store.has_tokens) if known is None else known

    async def _ask(self, question: Callable[..., T], *arguments: object) -> T:
        """Ask the store, in threads of their own: whatever else keeps threads busy, tokens are checked."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, question, *arguments)

    async def _grant(self, headers: Headers) -> TokenGrant:
        token = _token(headers)
        grant = None if token is None else self._store.known_grant(token)
        if grant is None and token is not None:
            grant = await self._ask(self._store.verify, token)
        if grant is None:
            raise NotAuthenticated(_AUTHENTICATION_ERROR)
        return grant


def _token(headers: Headers) -> str | None:
    """The token, where one header brings one."""
    for name, form in _TOKEN_HEADERS.items():
        if values := headers.getlist(name):
            match = form.fullmatch(values[0].strip()) if len(values) == 1 else None
            return match[1] if match else None
    return None


def _check_account(account_id: str, grant: TokenGrant | None) -> None:
    if grant is not None and grant.account_id != account_id:
        raise NotPermitted(_AUTHENTICATION_ERROR)
    if not _ACCOUNT_ID.fullmatch(account_id):
        raise NoSuchRoute(
            "Could not route to this account, perhaps its id is invalid? It must be 1 to 64 letters, digits, '-' or "
            "'_'; an unset shell variable leaves it empty."
        )


def _check_local(headers: Headers) -> None:
    hosts = headers.getlist("host")
    if len(hosts) != 1 or not is_loopback(_host_name(f"//{hosts[0]}")):
        raise NotPermitted(
            "This server has no tokens and answers only requests to a loopback host such as 127.0.0.1 or localhost. "
            "To reach it by another name, create a token first (fireside token create)."
        )
    for name in _HANDED_ON:
        if name in headers:
            raise NotPermitted(
                f"This request came through a proxy (header {name}), and this server has no tokens to authenticate it: "
                "create a token first (fireside token create)."
            )


def _check_page(headers: Headers, allowed: frozenset[str], *, navigates: bool) -> None:
    """Refuse what a web page of another origin sends. Browsers say which it is; programs say nothing.

    Args:
        allowed: origins that the operator allows.
        navigates: the request changes nothing and its answer is public: a link from elsewhere may lead here.
    """
    own = f"http://{headers['host']}".lower()
    origins = {origin.lower() for origin in headers.getlist("origin")}
    if origins and origins <= allowed:
        return
    foreign = [origin for origin in headers.getlist("origin") if origin.lower() != own]
    if not navigates:
        foreign += [site for site in headers.getlist("sec-fetch-site") if site not in ("same-origin", "none")]
    if foreign:
        raise NotPermitted(
            "This server has no tokens and rejects requests from web pages of other origins. Its operator can allow "
            "origins: FIRESIDE_ALLOWED_ORIGINS."
        )


def _host_name(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def account_of(request: Request) -> str:
    """The account that a request is for: of its path, else of its token, else the one of a server without tokens."""
    grant = request.state.grant
    return str(request.path_params.get("account_id") or (LOCAL_ID if grant is None else grant.account_id))
