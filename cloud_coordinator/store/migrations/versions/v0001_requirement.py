"""The five tables of the customer's requirement."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_TABLES = (
    "market_transactions",
    "prediction_data",
    "resources",
    "vpp_performance",
    "control_history",
)


def upgrade() -> None:
    """Create the tables."""
    _market_transactions()
    _prediction_data()
    _resources()
    _vpp_performance()
    _control_history()


def downgrade() -> None:
    """Drop the tables."""
    for table in reversed(_TABLES):
        op.drop_table(table)


def _market_transactions() -> None:
    op.create_table(
        "market_transactions",
        sa.Column("transaction_id", sa.String(length=160), nullable=False),
        sa.Column(
            "market_type",
            sa.Enum(
                "PRIMARY_RESERVE",
                "SECONDARY_RESERVE_1",
                "SECONDARY_RESERVE_2",
                "TERTIARY_RESERVE",
                name="market_type",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("transaction_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("bid_capacity_mw", sa.Numeric(precision=8, scale=2), nullable=False),
        sa.Column("cleared_capacity_mw", sa.Numeric(precision=8, scale=2), nullable=True),
        sa.Column("bid_price_yen_mw", sa.Numeric(precision=10, scale=2), nullable=False),
        sa.Column("cleared_price_yen_mw", sa.Numeric(precision=10, scale=2), nullable=True),
        sa.Column("settlement_amount", sa.Numeric(precision=12, scale=2), nullable=True),
        sa.Column("actual_response_mw", sa.Numeric(precision=8, scale=2), nullable=True),
        sa.Column("performance_ratio", sa.Numeric(precision=5, scale=2), nullable=True),
        sa.Column(
            "penalty_amount", sa.Numeric(precision=10, scale=2), server_default="0", nullable=True
        ),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("CURRENT_TIMESTAMP"),
            nullable=True,
        ),
        sa.PrimaryKeyConstraint("transaction_id", name=op.f("pk_market_transactions")),
    )
    op.create_index(
        "idx_market_time", "market_transactions", ["market_type", "transaction_time"], unique=False
    )
    op.create_index(
        "idx_transaction_time", "market_transactions", ["transaction_time"], unique=False
    )


def _prediction_data() -> None:
    op.create_table(
        "prediction_data",
        sa.Column("prediction_id", sa.String(length=160), nullable=False),
        sa.Column(
            "prediction_type",
            sa.Enum(
                "DEMAND",
                "SOLAR_GENERATION",
                "PRICE",
                "WEATHER",
                name="prediction_type",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("target_timestamp", sa.DateTime(timezone=True), nullable=False),
        sa.Column("prediction_timestamp", sa.DateTime(timezone=True), nullable=False),
        sa.Column("region", sa.String(length=20), nullable=True),
        sa.Column("predicted_value", sa.Numeric(precision=10, scale=2), nullable=False),
        sa.Column("confidence_interval_lower", sa.Numeric(precision=10, scale=2), nullable=True),
        sa.Column("confidence_interval_upper", sa.Numeric(precision=10, scale=2), nullable=True),
        sa.Column("model_version", sa.String(length=20), nullable=False),
        sa.Column("actual_value", sa.Numeric(precision=10, scale=2), nullable=True),
        sa.Column("accuracy_mae", sa.Numeric(precision=8, scale=4), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("CURRENT_TIMESTAMP"),
            nullable=True,
        ),
        sa.PrimaryKeyConstraint("prediction_id", name=op.f("pk_prediction_data")),
    )
    op.create_index(
        "idx_region_time", "prediction_data", ["region", "target_timestamp"], unique=False
    )
    op.create_index(
        "idx_type_target_time",
        "prediction_data",
        ["prediction_type", "target_timestamp"],
        unique=False,
    )


def _resources() -> None:
    op.create_table(
        "resources",
        sa.Column("resource_id", sa.String(length=160), nullable=False),
        sa.Column(
            "resource_type",
            sa.Enum(
                "SOLAR",
                "BATTERY",
                "EV_CHARGER",
                "DR_DEVICE",
                "FUEL_CELL",
                name="resource_type",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("owner_id", sa.String(length=64), nullable=False),
        sa.Column("location_lat", sa.Numeric(precision=10, scale=8), nullable=True),
        sa.Column("location_lng", sa.Numeric(precision=11, scale=8), nullable=True),
        sa.Column("capacity_kw", sa.Numeric(precision=10, scale=2), nullable=False),
        sa.Column("capacity_kwh", sa.Numeric(precision=10, scale=2), nullable=True),
        sa.Column("communication_protocol", sa.String(length=20), nullable=True),
        sa.Column(
            "status",
            sa.Enum(
                "ACTIVE",
                "INACTIVE",
                "MAINTENANCE",
                "ERROR",
                name="status",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            server_default="ACTIVE",
            nullable=True,
        ),
        sa.Column(
            "last_update",
            sa.DateTime(timezone=True),
            server_default=sa.text("CURRENT_TIMESTAMP"),
            nullable=True,
        ),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("CURRENT_TIMESTAMP"),
            nullable=True,
        ),
        sa.PrimaryKeyConstraint("resource_id", name=op.f("pk_resources")),
    )
    op.create_index(
        "idx_owner_location",
        "resources",
        ["owner_id", "location_lat", "location_lng"],
        unique=False,
    )
    op.create_index("idx_resource_type", "resources", ["resource_type"], unique=False)
    op.create_index("idx_status", "resources", ["status"], unique=False)


def _vpp_performance() -> None:
    op.create_table(
        "vpp_performance",
        sa.Column("performance_id", sa.String(length=160), nullable=False),
        sa.Column("vpp_id", sa.String(length=64), nullable=False),
        sa.Column("measurement_timestamp", sa.DateTime(timezone=True), nullable=False),
        sa.Column("total_capacity_kw", sa.Numeric(precision=10, scale=2), nullable=False),
        sa.Column("active_resources_count", sa.Integer(), nullable=False),
        sa.Column("total_generation_kwh", sa.Numeric(precision=10, scale=2), nullable=True),
        sa.Column("total_consumption_kwh", sa.Numeric(precision=10, scale=2), nullable=True),
        sa.Column("market_revenue_yen", sa.Numeric(precision=12, scale=2), nullable=True),
        sa.Column("operating_cost_yen", sa.Numeric(precision=10, scale=2), nullable=True),
        sa.Column("net_profit_yen", sa.Numeric(precision=12, scale=2), nullable=True),
        sa.Column("availability_ratio", sa.Numeric(precision=5, scale=2), nullable=True),
        sa.Column("response_accuracy", sa.Numeric(precision=5, scale=2), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("CURRENT_TIMESTAMP"),
            nullable=True,
        ),
        sa.PrimaryKeyConstraint("performance_id", name=op.f("pk_vpp_performance")),
    )
    op.create_index(
        "idx_measurement_timestamp", "vpp_performance", ["measurement_timestamp"], unique=False
    )
    op.create_index(
        "idx_vpp_time", "vpp_performance", ["vpp_id", "measurement_timestamp"], unique=False
    )


def _control_history() -> None:
    op.create_table(
        "control_history",
        sa.Column("control_id", sa.String(length=160), nullable=False),
        sa.Column("resource_id", sa.String(length=160), nullable=False),
        sa.Column("control_timestamp", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "command_type",
            sa.Enum(
                "OUTPUT_ADJUST",
                "CHARGE",
                "DISCHARGE",
                "START",
                "STOP",
                name="command_type",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("target_value", sa.Numeric(precision=10, scale=2), nullable=False),
        sa.Column("actual_value", sa.Numeric(precision=10, scale=2), nullable=True),
        sa.Column("response_time_ms", sa.Integer(), nullable=True),
        sa.Column("market_signal", sa.String(length=20), nullable=True),
        sa.Column("success_flag", sa.Boolean(), server_default="1", nullable=True),
        sa.Column("error_message", sa.Text(), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("CURRENT_TIMESTAMP"),
            nullable=True,
        ),
        sa.ForeignKeyConstraint(
            ["resource_id"], ["resources.resource_id"], name=op.f("fk_control_history_resource_id")
        ),
        sa.PrimaryKeyConstraint("control_id", name=op.f("pk_control_history")),
    )
    op.create_index("idx_control_timestamp", "control_history", ["control_timestamp"], unique=False)
    op.create_index("idx_market_signal", "control_history", ["market_signal"], unique=False)
    op.create_index(
        "idx_resource_time", "control_history", ["resource_id", "control_timestamp"], unique=False
    )
