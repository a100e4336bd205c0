"""Statements once final, and what was corrected afterwards."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Make the table; every row is an entry that is never changed."""
    op.create_table(
        "statement_entries",
        sa.Column("entry_id", sa.String(length=160), nullable=False),
        sa.Column("account", sa.String(length=160), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("statement_id", sa.String(length=64), nullable=False),
        sa.Column("amount_jpy", sa.String(length=64), nullable=False),
        sa.Column("change_jpy", sa.String(length=64), nullable=False),
        sa.Column("reason", sa.String(length=255), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("entry_id", name=op.f("pk_statement_entries")),
        sa.UniqueConstraint("account", "number", name=op.f("uq_statement_entries_account_number")),
    )


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("statement_entries")
