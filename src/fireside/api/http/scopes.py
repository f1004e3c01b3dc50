"""What a token may do, checked where a route says what it needs."""

from starlette.types import ASGIApp, Receive, Scope, Send

from fireside.errors import NotPermitted
from fireside.store.tokens import TokenGrant, TokenScope


def has_scope(grant: TokenGrant | None, scope: TokenScope) -> bool:
    """Whether the request's token has the scope. While there are no tokens, everybody has all of them."""
    return grant is None or scope in grant.scopes


def check_scope(grant: TokenGrant | None, scope: TokenScope) -> None:
    """Raises NotPermitted for a token without the scope."""
    if not has_scope(grant, scope):
        raise NotPermitted(
            f"This token lacks the scope {scope}: use one that has it (fireside token create --scopes {scope})."
        )


class Scoped:
    """ASGI application for tokens that have the scope. Nothing of the request's body is read for others."""

    def __init__(self, app: ASGIApp, scope: TokenScope) -> None:
        self._app = app
        self._scope = scope

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        check_scope(scope["state"]["grant"], self._scope)
        await self._app(scope, receive, send)
