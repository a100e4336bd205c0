"""Tables of people, keys, sessions and the audit trail; part of the same metadata."""

from typing import Final

from sqlalchemy import Column, LargeBinary, String, Table

from cloud_coordinator.store.tables import NAME, NUMBER, UtcDateTime, metadata

users: Final = Table(
    "users",
    metadata,
    Column("name", String(NAME), primary_key=True),
    Column("body", LargeBinary, nullable=False),
)

api_keys: Final = Table(
    "api_keys",
    metadata,
    Column("key_id", String(NAME), primary_key=True),
    Column("body", LargeBinary, nullable=False),
)

login_sessions: Final = Table(
    "login_sessions",
    metadata,
    Column("token_sha256", String(64), primary_key=True),
    Column("user_name", String(NAME), nullable=False, index=True),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("body", LargeBinary, nullable=False),
)

audit_entries: Final = Table(
    "audit_entries",
    metadata,
    Column("number", NUMBER, primary_key=True),
    Column("body", LargeBinary, nullable=False),
    Column("digest", String(64), nullable=False),
)

audit_checkpoints: Final = Table(
    "audit_checkpoints",
    metadata,
    Column("number", NUMBER, primary_key=True),
    Column("body", LargeBinary, nullable=False),
)
