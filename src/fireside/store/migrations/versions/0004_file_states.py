"""A file has a state and an account, and several files may share one blob."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Make the table again, as its key changes, and bring its rows over."""
    old = sa.table("finetune_files", *map(sa.column, (*_KEPT, "dropped_at")))
    op.rename_table("finetune_files", "finetune_files_0003")
    old.name = "finetune_files_0003"
    for index in ("finetune_id", "version", "dropped_at"):
        op.drop_index(f"ix_finetune_files_{index}", "finetune_files_0003")
    new = op.create_table(
        "finetune_files",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("blob_id", sa.String(32), nullable=False, index=True),
        sa.Column("account_id", sa.String(64), nullable=False, index=True),
        sa.Column("finetune_id", sa.String(36), nullable=False, index=True),
        sa.Column("file_name", sa.String(40), nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("uploaded_at", sa.BigInteger, nullable=False),
        sa.Column("version", sa.String(32), nullable=True, index=True),
        sa.Column("state", sa.String(8), nullable=False, index=True),
    )
    assert new is not None
    finetunes = sa.table("finetunes", sa.column("id"), sa.column("account_id"))
    account = sa.select(finetunes.c.account_id).where(finetunes.c.id == old.c.finetune_id).scalar_subquery()
    state = sa.case((old.c.dropped_at.is_(None), "kept"), else_="dropped")
    rows = sa.select(old.c.blob_id, sa.func.coalesce(account, ""), state, *(old.c[name] for name in _KEPT))
    op.execute(new.insert().from_select(["id", "account_id", "state", *_KEPT], rows))
    op.drop_table("finetune_files_0003")


_KEPT = ("blob_id", "finetune_id", "file_name", "size", "sha256", "uploaded_at", "version")
