"""Durable records of protocol roles."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "records",
        sa.Column("book", sa.String(length=64), nullable=False),
        sa.Column("record_key", sa.String(length=255), nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("book", "record_key", name=op.f("pk_records")),
    )


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("records")
