"""API tokens: `fireside_<public id>_<secret>`. Only a digest of the whole text is ever stored."""

import hashlib
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args

_TOKEN = re.compile(r"fireside_([0-9a-f]{16})_[0-9a-f]{64}")
_MAX_LENGTH = 128

TokenScope = Literal["run", "finetunes", "admin"]
"""What a token may do besides reading: run models; make, upload and delete the account's own fine-tunes; what concerns
every account (downloads, publishing)."""

SCOPES: tuple[TokenScope, ...] = get_args(TokenScope)
DEFAULT_SCOPES: frozenset[TokenScope] = frozenset({"run", "finetunes"})


@dataclass(frozen=True, slots=True)
class TokenGrant:
    """What a good token allows.

    Args:
        token_id: public part of the token; may be logged.
        account_id: the one account it is for.
    """

    token_id: str
    account_id: str
    scopes: frozenset[TokenScope]


@dataclass(frozen=True, slots=True)
class TokenRecord:
    """A token as its owner sees it later: never its secret. Times are UTC."""

    token_id: str
    account_id: str
    name: str
    scopes: frozenset[TokenScope]
    created_at: datetime
    revoked_at: datetime | None


def new_token() -> tuple[str, str]:
    """A fresh token: its text, with 256 random bits, and its public id."""
    token_id = secrets.token_hex(8)
    return f"fireside_{token_id}_{secrets.token_hex(32)}", token_id


def public_id(token: str) -> str | None:
    """The public id in a token's text, or None when the text is not a token."""
    match = _TOKEN.fullmatch(token) if len(token) <= _MAX_LENGTH else None
    return match and match.group(1)


def digest(token: str) -> bytes:
    """SHA-256 of the text, 32 bytes. No salt or stretching is needed for 256 random bits."""
    return hashlib.sha256(token.encode()).digest()


def scopes_text(scopes: Iterable[TokenScope]) -> str:
    """Scopes as they are stored and shown, in the order of SCOPES: "run,finetunes"."""
    wanted = set(scopes)
    return ",".join(scope for scope in SCOPES if scope in wanted)


def scopes_of(text: str) -> frozenset[TokenScope]:
    """Stored scopes; those that a newer Fireside knows are left out."""
    given = text.split(",")
    return frozenset(scope for scope in SCOPES if scope in given)
