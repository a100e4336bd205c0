"""Certificates of awards."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "certificates",
        sa.Column("obligation_id", sa.String(length=160), nullable=False),
        sa.Column("direction", sa.String(length=8), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("obligation_id", "direction", name=op.f("pk_certificates")),
    )


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("certificates")
