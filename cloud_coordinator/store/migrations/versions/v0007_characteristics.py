"""What is learned of sites and resources, and from which awards it was learned."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Create the tables; nothing is known before the next event."""
    op.create_table(
        "characteristics",
        sa.Column("site_id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=160), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("delay_s", sa.Float(), nullable=False),
        sa.Column("gain", sa.Float(), nullable=False),
        sa.Column("kept", sa.Float(), nullable=False),
        sa.Column("missed", sa.Float(), nullable=False),
        sa.Column("efficiency", sa.Float(), nullable=True),
        sa.Column("degradation_jpy_per_kwh", sa.Float(), nullable=False),
        sa.Column("events", sa.Integer(), nullable=False),
        sa.Column("discarded_s", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("site_id", "name", "kind", name=op.f("pk_characteristics")),
    )
    op.create_table(
        "learned_sites",
        sa.Column("obligation_id", sa.String(length=160), nullable=False),
        sa.Column("site_id", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("obligation_id", "site_id", name=op.f("pk_learned_sites")),
    )
    op.create_table(
        "learned_totals",
        sa.Column("obligation_id", sa.String(length=160), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("start_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("rows_count", sa.Integer(), nullable=False),
        sa.Column("called_w", sa.Float(), nullable=False),
        sa.Column("delivered_w", sa.Float(), nullable=False),
        sa.Column("expected_w", sa.Float(), nullable=False),
        sa.Column("deviation_w", sa.Float(), nullable=False),
        sa.Column("error_prior_w", sa.Float(), nullable=False),
        sa.Column("error_learned_w", sa.Float(), nullable=False),
        sa.Column("discarded_s", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("obligation_id", "kind", name=op.f("pk_learned_totals")),
    )


def downgrade() -> None:
    """Drop the tables."""
    op.drop_table("learned_totals")
    op.drop_table("learned_sites")
    op.drop_table("characteristics")
