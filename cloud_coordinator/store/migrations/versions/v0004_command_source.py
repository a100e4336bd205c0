"""Where a command came from."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the column; commands of before came by the API."""
    op.add_column(
        "commands", sa.Column("source", sa.String(length=255), nullable=False, server_default="")
    )


def downgrade() -> None:
    """Drop the column."""
    op.drop_column("commands", "source")
