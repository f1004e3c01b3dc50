"""Fine-tunes and their files."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the two tables."""
    op.create_table(
        "finetunes",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("account_id", sa.String(64), sa.ForeignKey("accounts.id"), nullable=False),
        sa.Column("model", sa.String(200), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("description", sa.String(1000), nullable=False),
        sa.Column("public", sa.Boolean, nullable=False, index=True),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("modified_at", sa.BigInteger, nullable=False),
        sa.Column("problem", sa.Text, nullable=False),
        sa.Column("version", sa.String(32), nullable=True),
        sa.UniqueConstraint("account_id", "name", name="uq_finetunes_account_id_name"),
    )
    op.create_table(
        "finetune_files",
        sa.Column("blob_id", sa.String(32), primary_key=True),
        sa.Column("finetune_id", sa.String(36), nullable=False, index=True),
        sa.Column("file_name", sa.String(40), nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("uploaded_at", sa.BigInteger, nullable=False),
        sa.Column("version", sa.String(32), nullable=True, index=True),
        sa.Column("dropped_at", sa.BigInteger, nullable=True, index=True),
    )
