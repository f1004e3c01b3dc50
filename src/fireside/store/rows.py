"""What the tables share."""

from datetime import UTC, datetime

from sqlalchemy import Connection, exists, insert, literal, select

from fireside.store.schema import accounts


def ensure_account(connection: Connection, account_id: str) -> None:
    """Add the account's row where there is none. As a first statement it takes SQLite's write lock at once."""
    row = select(literal(account_id), literal(now())).where(~exists().where(accounts.c.id == account_id))
    connection.execute(insert(accounts).from_select(["id", "created_at"], row))


def now() -> int:
    """Whole seconds since 1970 UTC."""
    return int(datetime.now(UTC).timestamp())


def to_time(seconds: int) -> datetime:
    """The time in UTC."""
    return datetime.fromtimestamp(seconds, UTC)
