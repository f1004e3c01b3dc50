"""Tokens have scopes. What could write before may still change its account's fine-tunes; none is an admin's yet."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Put the scopes in place of can_write."""
    with op.batch_alter_table("tokens") as table:
        table.add_column(sa.Column("scopes", sa.String(200), nullable=False, server_default="run"))
    tokens = sa.table("tokens", sa.column("scopes"), sa.column("can_write"))
    op.execute(tokens.update().where(tokens.c.can_write.is_(sa.true())).values(scopes="run,finetunes"))
    with op.batch_alter_table("tokens") as table:
        table.alter_column("scopes", server_default=None)
        table.drop_column("can_write")
