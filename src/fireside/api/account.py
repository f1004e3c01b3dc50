"""The small routes that clients such as wrangler ask before they act: token, user, accounts, memberships."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from fireside.api.context import Context
from fireside.api.envelope import answer

LOCAL_ID = "local"
"""Stands for token, user and account while the server has no tokens. Any other account id works just as well then."""


def routes(context: Context) -> list[Route]:
    """Token, user, accounts, memberships."""

    async def verify_token(request: Request) -> Response:
        grant = request.state.grant
        token_id = LOCAL_ID if grant is None else grant.token_id
        text = "This server has no tokens: none is needed" if grant is None else "This API Token is valid and active"
        message: dict[str, object] = {"code": 10000, "message": text, "type": None}
        return answer({"id": token_id, "status": "active"}, messages=[message])

    async def user(request: Request) -> Response:
        return answer({"id": account_of(request), "email": "", "first_name": None, "last_name": None})

    async def accounts(request: Request) -> Response:
        return answer([_account(request)], extra=_ONE_PAGE)

    async def account(request: Request) -> Response:
        account_id = request.path_params["account_id"]
        return answer({"id": account_id, "name": account_id, "type": "standard"})

    async def memberships(request: Request) -> Response:
        membership = {"id": account_of(request), "status": "accepted", "account": _account(request)}
        return answer([membership], extra=_ONE_PAGE)

    return [
        Route("/client/v4/user/tokens/verify", verify_token),
        Route("/client/v4/user", user),
        Route("/client/v4/accounts", accounts),
        Route("/client/v4/accounts/{account_id}", account),
        Route("/client/v4/memberships", memberships),
    ]


_ONE_PAGE = {"result_info": {"page": 1, "per_page": 20, "count": 1, "total_count": 1, "total_pages": 1}}


def account_of(request: Request) -> str:
    """The account that a request is for: of its path, else of its token, else the one of a server without tokens."""
    grant = request.state.grant
    return str(request.path_params.get("account_id") or (LOCAL_ID if grant is None else grant.account_id))


def _account(request: Request) -> dict[str, object]:
    account_id = account_of(request)
    return {"id": account_id, "name": account_id, "type": "standard"}
