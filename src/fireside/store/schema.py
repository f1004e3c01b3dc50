"""The tables as they are now; `migrations` brings a database from any earlier form to this one.

Times are whole seconds since 1970 UTC, days are ISO dates in UTC.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

VERSION = 4
"""Number of the newest migration. In SQLite it is also PRAGMA user_version, which the first Fireside looked at."""

metadata = MetaData()

accounts = Table(
    "accounts",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("created_at", BigInteger, nullable=False),
)

tokens = Table(
    "tokens",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("account_id", String(64), ForeignKey("accounts.id"), nullable=False, index=True),
    Column("name", String(200), nullable=False),
    Column("digest", LargeBinary(32), nullable=False),
    Column("scopes", String(200), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("revoked_at", BigInteger, nullable=True),
)

usage = Table(
    "usage",
    metadata,
    Column("account_id", String(64), ForeignKey("accounts.id"), primary_key=True),
    Column("model", String(200), primary_key=True),
    Column("day", String(10), primary_key=True),
    Column("requests", BigInteger, nullable=False),
    Column("prompt_tokens", BigInteger, nullable=False),
    Column("completion_tokens", BigInteger, nullable=False),
)

finetunes = Table(
    "finetunes",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("account_id", String(64), ForeignKey("accounts.id"), nullable=False),
    Column("model", String(200), nullable=False),
    Column("name", String(100), nullable=False),
    Column("description", String(1000), nullable=False),
    Column("public", Boolean, nullable=False, index=True),
    Column("created_at", BigInteger, nullable=False),
    Column("modified_at", BigInteger, nullable=False),
    # What is wrong with the files that wait; empty when nothing is.
    Column("problem", Text, nullable=False),
    # The version that answers. It is set last, when its files are checked and kept.
    Column("version", String(32), nullable=True),
    UniqueConstraint("account_id", "name", name="uq_finetunes_account_id_name"),
)

finetune_files = Table(
    "finetune_files",
    metadata,
    Column("id", String(32), primary_key=True),
    # Files of one account with the same content share a blob.
    Column("blob_id", String(32), nullable=False, index=True),
    Column("account_id", String(64), nullable=False, index=True),
    # No foreign key: the row outlives its fine-tune until the blob is gone.
    Column("finetune_id", String(36), nullable=False, index=True),
    Column("file_name", String(40), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("uploaded_at", BigInteger, nullable=False),
    Column("version", String(32), nullable=True, index=True),
    # See `fireside.store.finetunes`.
    Column("state", String(8), nullable=False, index=True),
)
