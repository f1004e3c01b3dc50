"""API tokens: `fireside_<public id>_<secret>`. Only a digest of the whole text is ever stored."""

import hashlib
import re
import secrets
from dataclasses import dataclass
from datetime import datetime

_TOKEN = re.compile(r"fireside_([0-9a-f]{16})_[0-9a-f]{64}")
_MAX_LENGTH = 128


@dataclass(frozen=True, slots=True)
class TokenGrant:
    """What a good token allows.

    Args:
        token_id: public part of the token; may be logged.
        account_id: the one account it is for.
        can_write: may change things (upload or delete fine-tunes), not only run models.
    """

    token_id: str
    account_id: str
    can_write: bool


@dataclass(frozen=True, slots=True)
class TokenRecord:
    """A token as its owner sees it later: never its secret. Times are UTC."""

    token_id: str
    account_id: str
    name: str
    can_write: bool
    created_at: datetime
    revoked_at: datetime | None


def new_token() -> tuple[str, str]:
    """A fresh token: its text, with 256 random bits, and its public id."""
    token_id = secrets.token_hex(8)
    return f"fireside_{token_id}_{secrets.token_hex(32)}", token_id


def public_id(token: str) -> str | None:
    """The public id in a token's text, or None when the text is no token."""
    match = _TOKEN.fullmatch(token) if len(token) <= _MAX_LENGTH else None
    return match and match.group(1)


def digest(token: str) -> bytes:
    """SHA-256 of the text, 32 bytes. No salt or stretching is needed for 256 random bits."""
    return hashlib.sha256(token.encode()).digest()
