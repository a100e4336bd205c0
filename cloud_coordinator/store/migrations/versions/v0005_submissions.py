"""What was handed in to exchanges, and what they answered."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "submissions",
        sa.Column("request_id", sa.String(length=160), nullable=False),
        sa.Column("venue", sa.String(length=32), nullable=False),
        sa.Column("market_day", sa.Date(), nullable=False),
        sa.Column("rule_set_id", sa.String(length=160), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sent", sa.LargeBinary(), nullable=False),
        sa.Column("answered", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("request_id", name=op.f("pk_submissions")),
    )
    op.create_index(op.f("ix_submissions_venue_market_day"), "submissions", ["venue", "market_day"])
    op.create_index(op.f("ix_submissions_state"), "submissions", ["state"])


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("submissions")
