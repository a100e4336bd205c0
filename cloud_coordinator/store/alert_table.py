"""Table of alerts; part of the registry's metadata."""

from typing import Final

from sqlalchemy import Column, LargeBinary, String, Table

from cloud_coordinator.store.tables import LONG_NAME, UtcDateTime, metadata

alerts: Final = Table(
    "alerts",
    metadata,
    Column("alert_id", String(LONG_NAME), primary_key=True),
    Column("state", String(16), nullable=False, index=True),
    Column("severity", String(16), nullable=False),
    Column("last_at", UtcDateTime, nullable=False, index=True),
    Column("body", LargeBinary, nullable=False),
)
