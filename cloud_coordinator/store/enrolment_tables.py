"""Tables of enrolment; part of the same metadata as the rest of the store."""

from typing import Final

from sqlalchemy import Column, Integer, LargeBinary, String, Table

from cloud_coordinator.store.tables import UtcDateTime, metadata

enrolments: Final = Table(
    "enrolments",
    metadata,
    Column("site_id", String(64), primary_key=True),
    Column("zone", String(64), nullable=False),
    Column("state", String(16), nullable=False),
    Column("ticket", Integer, unique=True),
    Column("salt", LargeBinary, nullable=False),
    Column("secret_hash", LargeBinary, nullable=False),
    Column("code_expires_at", UtcDateTime),
    Column("attempts_left", Integer, nullable=False),
    Column("key_hash", LargeBinary, nullable=False),
    Column("added_at", UtcDateTime, nullable=False),
)

site_certificates: Final = Table(
    "site_certificates",
    metadata,
    Column("serial", String(40), primary_key=True),
    Column("site_id", String(64), nullable=False, index=True),
    Column("issued_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("receipt_key", LargeBinary, nullable=False),
    Column("certificate", LargeBinary, nullable=False),
)
