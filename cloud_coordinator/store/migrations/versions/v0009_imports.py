"""Published files: what was imported, and the values of markets and areas."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create both tables."""
    op.create_table(
        "imports",
        sa.Column("number", _NUMBER, nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("encoding", sa.String(length=16), nullable=False),
        sa.Column("layout", sa.String(length=64), nullable=False),
        sa.Column("publisher", sa.String(length=160), nullable=False),
        sa.Column("stage", sa.Integer(), nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ranked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("area", sa.String(length=255), nullable=False),
        sa.Column("start_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("end_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("row_count", sa.Integer(), nullable=False),
        sa.Column("missing_count", sa.Integer(), nullable=False),
        sa.Column("current_count", sa.Integer(), nullable=False),
        sa.Column("imported_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("imported_by", sa.String(length=255), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_imports")),
        sa.UniqueConstraint("sha256", "area", name=op.f("uq_imports_sha256_area")),
    )
    op.create_table(
        "area_series",
        sa.Column("import_number", _NUMBER, nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("area", sa.String(length=160), nullable=False),
        sa.Column("step_s", sa.Integer(), nullable=False),
        sa.Column("first_s", sa.BigInteger(), nullable=False),
        sa.Column("end_s", sa.BigInteger(), nullable=False),
        sa.Column("start_s", sa.LargeBinary(), nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.Column("quality", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["import_number"], ["imports.number"], name=op.f("fk_area_series_import_number")
        ),
        sa.PrimaryKeyConstraint(
            "import_number", "kind", "area", "step_s", name=op.f("pk_area_series")
        ),
    )
    op.create_index(
        "ix_area_series_kind_area_step_s_first_s",
        "area_series",
        ["kind", "area", "step_s", "first_s"],
    )


def downgrade() -> None:
    """Drop both tables."""
    op.drop_table("area_series")
    op.drop_table("imports")
