"""Account routes that clients such as wrangler call first: token, user, accounts, memberships."""

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from fireside.api.context import Context
from fireside.api.http.auth import LOCAL_ID, account_of
from fireside.api.http.envelope import Envelope, Notice, ResultInfo, answer
from fireside.api.schema.operation import Doc, Endpoint, Operation


@dataclass(frozen=True, slots=True)
class TokenState:
    """Status of a token."""

    id: str
    status: str


@dataclass(frozen=True, slots=True)
class User:
    """The user of a token. Fireside has accounts only, so this is the token's account."""

    id: str
    email: str = ""
    first_name: None = None
    last_name: None = None


@dataclass(frozen=True, slots=True)
class Account:
    """An account."""

    id: str
    name: str
    type: str = "standard"


@dataclass(frozen=True, slots=True)
class Membership:
    """Membership of a user in an account."""

    id: str
    status: str
    account: Account


def routes(context: Context) -> list[Route]:
    """Token, user, accounts, memberships."""

    async def verify_token(request: Request) -> Response:
        grant = request.state.grant
        token_id = LOCAL_ID if grant is None else grant.token_id
        text = "This server has no tokens; none is required" if grant is None else "This API Token is valid and active"
        return answer(TokenState(token_id, "active"), messages=[Notice(10000, text)])

    async def user(request: Request) -> Response:
        return answer(User(account_of(request)))

    async def accounts(request: Request) -> Response:
        return answer([_account(request)], result_info=_ONE_PAGE)

    async def account(request: Request) -> Response:
        return answer(_account(request))

    async def memberships(request: Request) -> Response:
        membership = Membership(account_of(request), "accepted", _account(request))
        return answer([membership], result_info=_ONE_PAGE)

    verified = Envelope[TokenState]

    def get(path: str, endpoint: Endpoint, name: str, summary: str, result: object) -> Operation:
        doc = Doc(id=name, tag="Account", summary=summary, result=result)
        return Operation("GET", f"/client/v4/{path}", endpoint, doc)

    return [
        get("user/tokens/verify", verify_token, "verifyToken", "Verify the token", verified),
        get(
            "accounts/{account_id}/tokens/verify",
            verify_token,
            "verifyAccountToken",
            "Verify an account token",
            verified,
        ),
        get("user", user, "getUser", "Get the token's user", Envelope[User]),
        get("accounts", accounts, "listAccounts", "List the token's accounts", Envelope[list[Account]]),
        get("accounts/{account_id}", account, "getAccount", "Get an account", Envelope[Account]),
        get("memberships", memberships, "listMemberships", "List memberships", Envelope[list[Membership]]),
    ]


_ONE_PAGE = ResultInfo(1, 20, 1, 1, 1)


def _account(request: Request) -> Account:
    account_id = account_of(request)
    return Account(account_id, account_id)
