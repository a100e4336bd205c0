"""Sites, obligations, offers, events and what a restart resumes from."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_TABLES = (
    "commands",
    "dispatches",
    "epochs",
    "events",
    "layouts",
    "obligations",
    "offers",
    "receipts",
    "sites",
    "watermarks",
    "awards",
)


def upgrade() -> None:
    """Create the tables."""
    _commands()
    _dispatches()
    _epochs()
    _events()
    _layouts()
    _obligations()
    _offers()
    _receipts()
    _sites()
    _watermarks()
    _awards()


def downgrade() -> None:
    """Drop the tables."""
    for table in reversed(_TABLES):
        op.drop_table(table)


def _commands() -> None:
    op.create_table(
        "commands",
        sa.Column("obligation_id", sa.String(length=160), nullable=False),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("power_w", sa.Float(), nullable=False),
        sa.Column("clipped_w", sa.Float(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("obligation_id", "issued_at", name=op.f("pk_commands")),
    )


def _dispatches() -> None:
    op.create_table(
        "dispatches",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("obligation_id", sa.String(length=160), nullable=False),
        sa.Column("zone", sa.String(length=64), nullable=False),
        sa.Column("service", sa.String(length=32), nullable=False),
        sa.Column("signal_id", sa.BigInteger(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("multiplier", sa.Float(), nullable=False),
        sa.Column("command_w", sa.Float(), nullable=False),
        sa.Column("correction_w", sa.Float(), nullable=False),
        sa.Column("held_w", sa.Float(), nullable=False),
        sa.Column("shortfall_w", sa.Float(), nullable=False),
        sa.Column("following", sa.Integer(), nullable=False),
        sa.Column("held", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_dispatches")),
    )
    op.create_index(
        op.f("ix_dispatches_obligation_id"), "dispatches", ["obligation_id"], unique=False
    )
    op.create_index(op.f("ix_dispatches_zone"), "dispatches", ["zone"], unique=False)


def _epochs() -> None:
    op.create_table(
        "epochs",
        sa.Column("lease", sa.String(length=64), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("lease", name=op.f("pk_epochs")),
    )


def _events() -> None:
    op.create_table(
        "events",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("event_key", sa.String(length=255), nullable=False),
        sa.Column("site_id", sa.String(length=64), nullable=True),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kind", sa.String(length=160), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_events")),
        sa.UniqueConstraint("event_key", name=op.f("uq_events_event_key")),
    )
    op.create_index(op.f("ix_events_kind"), "events", ["kind"], unique=False)
    op.create_index(op.f("ix_events_recorded_at"), "events", ["recorded_at"], unique=False)
    op.create_index(op.f("ix_events_site_id"), "events", ["site_id"], unique=False)


def _layouts() -> None:
    op.create_table(
        "layouts",
        sa.Column("site_id", sa.String(length=64), nullable=False),
        sa.Column("journal_id", sa.String(length=160), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("layout", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("site_id", "journal_id", "version", name=op.f("pk_layouts")),
    )


def _obligations() -> None:
    op.create_table(
        "obligations",
        sa.Column("obligation_id", sa.String(length=160), nullable=False),
        sa.Column("parent_id", sa.String(length=160), nullable=True),
        sa.Column("target", sa.String(length=64), nullable=False),
        sa.Column("service", sa.String(length=32), nullable=False),
        sa.Column("start_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("end_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["parent_id"], ["obligations.obligation_id"], name=op.f("fk_obligations_parent_id")
        ),
        sa.PrimaryKeyConstraint("obligation_id", name=op.f("pk_obligations")),
    )
    op.create_index(op.f("ix_obligations_parent_id"), "obligations", ["parent_id"], unique=False)
    op.create_index(op.f("ix_obligations_start_at"), "obligations", ["start_at"], unique=False)
    op.create_index(op.f("ix_obligations_target"), "obligations", ["target"], unique=False)


def _offers() -> None:
    op.create_table(
        "offers",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("site_id", sa.String(length=64), nullable=False),
        sa.Column("journal_id", sa.String(length=160), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("service", sa.String(length=32), nullable=False),
        sa.Column("start_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("end_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_offers")),
        sa.UniqueConstraint(
            "site_id", "journal_id", "sequence", name=op.f("uq_offers_site_id_journal_id_sequence")
        ),
    )
    op.create_index("ix_offers_service_site", "offers", ["service", "site_id"], unique=False)


def _receipts() -> None:
    op.create_table(
        "receipts",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("obligation_id", sa.String(length=160), nullable=False),
        sa.Column("site_id", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_receipts")),
    )
    op.create_index(op.f("ix_receipts_obligation_id"), "receipts", ["obligation_id"], unique=False)


def _sites() -> None:
    op.create_table(
        "sites",
        sa.Column("site_id", sa.String(length=64), nullable=False),
        sa.Column("zone", sa.String(length=64), nullable=False),
        sa.Column("journal_id", sa.String(length=160), nullable=False),
        sa.Column("agent_version", sa.String(length=160), nullable=False),
        sa.Column("layout", sa.LargeBinary(), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("site_id", name=op.f("pk_sites")),
    )
    op.create_index(op.f("ix_sites_zone"), "sites", ["zone"], unique=False)


def _watermarks() -> None:
    op.create_table(
        "watermarks",
        sa.Column("site_id", sa.String(length=64), nullable=False),
        sa.Column("journal_id", sa.String(length=160), nullable=False),
        sa.Column("stream", sa.String(length=16), nullable=False),
        sa.Column("durable", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("site_id", "journal_id", "stream", name=op.f("pk_watermarks")),
    )


def _awards() -> None:
    op.create_table(
        "awards",
        sa.Column("obligation_id", sa.String(length=160), nullable=False),
        sa.Column("price_jpy_per_kw_30min", sa.String(length=64), nullable=False),
        sa.Column("rule_set_id", sa.String(length=64), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("allocation", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(
            ["obligation_id"], ["obligations.obligation_id"], name=op.f("fk_awards_obligation_id")
        ),
        sa.PrimaryKeyConstraint("obligation_id", name=op.f("pk_awards")),
    )
