"""Accounts, tokens and usage. Synchronous and safe to call from many threads."""

import hmac
import re
import threading
import time
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from sqlalchemy import Connection, Row, exists, insert, select, update
from sqlalchemy.exc import DBAPIError, IntegrityError, TimeoutError

from fireside.errors import InvalidInput, StoreUnavailable
from fireside.store.database import open_database
from fireside.store.finetunes import FineTuneTable
from fireside.store.rows import ensure_account, now, to_time
from fireside.store.schema import tokens, usage
from fireside.store.tokens import (
    DEFAULT_SCOPES,
    SCOPES,
    TokenGrant,
    TokenRecord,
    digest,
    new_token,
    public_id,
    scopes_of,
    scopes_text,
)

K = TypeVar("K")
V = TypeVar("V")


class TimedCache(Generic[K, V]):
    """Safe for many threads.

    Args:
        seconds: how long an entry is good.
        limit: most entries held; the oldest go first.
    """

    def __init__(self, seconds: float, limit: int) -> None:
        self._seconds = seconds
        self._limit = limit
        self._entries: dict[K, tuple[float, V]] = {}
        self._lock = threading.Lock()

    def get(self, key: K) -> V | None:
        """The entry, or None when there is none or it is too old."""
        with self._lock:
            found = self._entries.get(key)
            if found is None or time.monotonic() - found[0] > self._seconds:
                return None
            return found[1]

    def put(self, key: K, value: V) -> None:
        """Set an entry that is good from now on."""
        with self._lock:
            self._entries.pop(key, None)
            while len(self._entries) >= self._limit:
                del self._entries[next(iter(self._entries))]
            self._entries[key] = (time.monotonic(), value)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._entries.clear()


# A revoked token may work this much longer: the price of not asking the database at every request.
CACHE_SECONDS = 0.5
_ACCOUNT_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_NO_DIGEST = bytes(32)


@dataclass(frozen=True, slots=True)
class UsageRecord:
    """One account's work with one model on one day (UTC)."""

    account_id: str
    model: str
    day: date
    requests: int
    prompt_tokens: int
    completion_tokens: int


class Store:
    """The server's memory.

    Args:
        place: path of an SQLite file (made when missing, readable by its owner only), or a database's URL.

    Raises ConfigError when the database cannot be opened; every method raises StoreUnavailable when it fails later.

    Attributes:
        finetunes: see `FineTuneTable`.
    """

    def __init__(self, place: Path | str) -> None:
        self._engine = open_database(place)
        self._grants: TimedCache[bytes, TokenGrant] = TimedCache(CACHE_SECONDS, limit=1024)
        self._locked: TimedCache[None, bool] = TimedCache(CACHE_SECONDS, limit=1)
        self._has_tokens = False
        self.finetunes = FineTuneTable(self._begin)

    def close(self) -> None:
        """Give up all connections."""
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def has_tokens(self) -> bool:
        """Whether a token was ever made: then every request needs one.

        Revoked ones count, so that revoking the last token shuts the server rather than opens it.
        """
        known = self.known_to_have_tokens()
        if known is None:
            with self._begin() as connection:
                known = bool(connection.execute(select(exists().select_from(tokens))).scalar_one())
            self._locked.put(None, known)
            self._has_tokens = known  # for good: rows of tokens are never deleted
        return known

    def known_to_have_tokens(self) -> bool | None:
        """The same, where memory tells it; else None."""
        return True if self._has_tokens else self._locked.get(None)

    def verify(self, token: str) -> TokenGrant | None:
        """What this token allows; None when it is malformed, unknown or revoked.

        A revocation, also by another process, takes effect within CACHE_SECONDS.
        """
        token_id = public_id(token)
        if token_id is None:
            return None
        given = digest(token)
        if (grant := self._grants.get(given)) is not None:
            return grant
        with self._begin() as connection:
            row = connection.execute(select(tokens).where(tokens.c.id == token_id)).one_or_none()
        if (
            not hmac.compare_digest(given, row.digest if row else _NO_DIGEST)
            or row is None
            or row.revoked_at is not None
        ):
            return None
        grant = TokenGrant(token_id=row.id, account_id=row.account_id, scopes=scopes_of(row.scopes))
        self._grants.put(given, grant)
        return grant

    def known_grant(self, token: str) -> TokenGrant | None:
        """The same, where memory tells it: None says nothing of the token."""
        return self._grants.get(digest(token)) if public_id(token) else None

    def revoked_among(self, token_ids: Collection[str]) -> set[str]:
        """Those of these tokens that were revoked."""
        query = select(tokens.c.id).where(tokens.c.id.in_(token_ids), tokens.c.revoked_at.is_not(None))
        with self._begin() as connection:
            return set(connection.execute(query).scalars())

    def create_token(
        self, account_id: str, name: str, scopes: Iterable[str] = DEFAULT_SCOPES
    ) -> tuple[str, TokenRecord]:
        """Make a token; its text is shown this once and cannot be had again. Raises InvalidInput."""
        problems = []
        if not _ACCOUNT_ID.fullmatch(account_id):
            problems.append("account: must have 1 to 64 letters, digits, '-' or '_'")
        if not 1 <= len(name) <= 200 or not name.isprintable():
            problems.append("name: must have 1 to 200 printable characters")
        wanted = set(scopes)
        if not wanted or not wanted <= set(SCOPES):
            problems.append(f"scopes: must be some of {', '.join(SCOPES)}")
        if problems:
            raise InvalidInput(problems)
        granted = scopes_of(",".join(wanted))
        text, token_id = new_token()
        created_at = now()
        with self._begin() as connection:
            ensure_account(connection, account_id)
            connection.execute(
                insert(tokens).values(
                    id=token_id,
                    account_id=account_id,
                    name=name,
                    digest=digest(text),
                    scopes=scopes_text(granted),
                    created_at=created_at,
                )
            )
        self._locked.clear()
        return text, TokenRecord(token_id, account_id, name, granted, to_time(created_at), None)

    def list_tokens(self) -> list[TokenRecord]:
        """Every token, revoked ones too, oldest first."""
        with self._begin() as connection:
            rows = connection.execute(select(tokens).order_by(tokens.c.created_at, tokens.c.id)).all()
        return [_record(row) for row in rows]

    def revoke_token(self, token_id: str) -> bool:
        """End a token for good. False when there is none of this id, or it was revoked before."""
        with self._begin() as connection:
            change = update(tokens).where(tokens.c.id == token_id, tokens.c.revoked_at.is_(None))
            revoked = connection.execute(change.values(revoked_at=now())).rowcount == 1
        self._grants.clear()
        return revoked

    def record_usage(self, account_id: str, model: str, prompt_tokens: int, completion_tokens: int) -> None:
        """Add one request to the account's sums of today."""
        day = datetime.now(UTC).date().isoformat()
        key = (usage.c.account_id == account_id, usage.c.model == model, usage.c.day == day)
        add = (
            update(usage)
            .where(*key)
            .values(
                requests=usage.c.requests + 1,
                prompt_tokens=usage.c.prompt_tokens + prompt_tokens,
                completion_tokens=usage.c.completion_tokens + completion_tokens,
            )
        )
        first = insert(usage).values(
            account_id=account_id,
            model=model,
            day=day,
            requests=1,
            prompt_tokens=prompt_tokens,
            completion_tokens=completion_tokens,
        )
        with self._begin() as connection:
            if connection.execute(add).rowcount == 0:
                ensure_account(connection, account_id)
                try:
                    with connection.begin_nested():
                        connection.execute(first)
                except IntegrityError:
                    connection.execute(add)  # another process was first today

    def usage(self, account_id: str | None = None, since: date | None = None) -> list[UsageRecord]:
        """Sums by account, model and day, oldest first; of one account and from one day on, when given."""
        query = select(usage).order_by(usage.c.day, usage.c.account_id, usage.c.model)
        if account_id is not None:
            query = query.where(usage.c.account_id == account_id)
        if since is not None:
            query = query.where(usage.c.day >= since.isoformat())
        with self._begin() as connection:
            rows = connection.execute(query).all()
        return [
            UsageRecord(
                row.account_id,
                row.model,
                date.fromisoformat(row.day),
                row.requests,
                row.prompt_tokens,
                row.completion_tokens,
            )
            for row in rows
        ]

    @contextmanager
    def _begin(self) -> Iterator[Connection]:
        try:
            with self._engine.begin() as connection:
                yield connection
        except DBAPIError as error:
            raise StoreUnavailable(
                "The database does not answer. Try again; if it stays so, look at its disk."
            ) from error
        except TimeoutError as error:
            raise StoreUnavailable("Every connection to the database is in use. Try again.") from error


def _record(row: Row[Any]) -> TokenRecord:
    revoked_at = None if row.revoked_at is None else to_time(row.revoked_at)
    return TokenRecord(row.id, row.account_id, row.name, scopes_of(row.scopes), to_time(row.created_at), revoked_at)
