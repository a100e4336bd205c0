"""Persons, API keys and sessions on disk; secrets only as hashes."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, insert, select, update

from cloud_coordinator.access.lockout import Failures
from cloud_coordinator.access.permissions import Role
from cloud_coordinator.access.scope import parse_scope
from cloud_coordinator.access.secrets_kept import ApiKey, Session, User
from cloud_coordinator.store.access_tables import api_keys, login_sessions, users
from cloud_coordinator.store.database import Database
from cloud_coordinator.store.sites import put
from protocols.vocabulary.errors import StoreError, VppError


class IdentityRegistry:
    """Who is known here.

    Parameters
    ----------
    database : Database
        The registry.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def users(self) -> Sequence[User]:
        """All persons, by name."""
        with self._database.reading() as connection:
            rows = connection.execute(select(users).order_by(users.c.name)).all()
        return [_user(row.name, row.body) for row in rows]

    def user(self, name: str) -> User | None:
        """Return a person; None if there is none of this name."""
        with self._database.reading() as connection:
            row = connection.execute(select(users).where(users.c.name == name)).first()
        return None if row is None else _user(row.name, row.body)

    def save_user(self, user: User) -> None:
        """Insert or replace; durable on return."""
        body = {
            "password_hash": user.password_hash,
            "roles": sorted(user.roles),
            "scope": user.scope.text(),
            "active": user.active,
            "failures": [
                user.failures.count,
                user.failures.last_s,
                user.failures.locked_until_s,
                user.failures.locks,
            ],
        }
        with self._database.writing() as connection:
            put(connection, users, key={"name": user.name}, values={"body": _pack(body)})

    def keys(self) -> Sequence[ApiKey]:
        """All API keys, by id."""
        with self._database.reading() as connection:
            rows = connection.execute(select(api_keys).order_by(api_keys.c.key_id)).all()
        return [_key(row.key_id, row.body) for row in rows]

    def key(self, key_id: str) -> ApiKey | None:
        """Return a key; None if there is none of this id."""
        with self._database.reading() as connection:
            row = connection.execute(select(api_keys).where(api_keys.c.key_id == key_id)).first()
        return None if row is None else _key(row.key_id, row.body)

    def save_key(self, key: ApiKey) -> None:
        """Insert or replace; durable on return."""
        body = {
            "secret_sha256": key.secret_sha256,
            "label": key.label,
            "roles": sorted(key.roles),
            "scope": key.scope.text(),
            "expires_at": key.expires_at.isoformat(),
            "active": key.active,
            "person": key.person,
        }
        with self._database.writing() as connection:
            put(connection, api_keys, key={"key_id": key.key_id}, values={"body": _pack(body)})

    def session(self, token_sha256: str) -> Session | None:
        """Return a session; None if there is none."""
        query = select(login_sessions).where(login_sessions.c.token_sha256 == token_sha256)
        with self._database.reading() as connection:
            row = connection.execute(query).first()
        return None if row is None else _session(row)

    def shorten_session(self, token_sha256: str, expires_at: datetime) -> None:
        """Let a session end earlier; durable on return."""
        with self._database.writing() as connection:
            connection.execute(
                update(login_sessions)
                .where(login_sessions.c.token_sha256 == token_sha256)
                .values(expires_at=expires_at)
            )

    def add_session(self, session: Session) -> None:
        """Keep a session, and drop those that ended before it began."""
        with self._database.writing() as connection:
            connection.execute(
                delete(login_sessions).where(login_sessions.c.expires_at < session.started_at)
            )
            connection.execute(
                insert(login_sessions).values(
                    token_sha256=session.token_sha256,
                    user_name=session.user_name,
                    expires_at=session.expires_at,
                    body=_pack(
                        {
                            "csrf_sha256": session.csrf_sha256,
                            "started_at": session.started_at.isoformat(),
                        }
                    ),
                )
            )

    def end_sessions(self, *, user_name: str = "", token_sha256: str = "") -> None:
        """End all sessions of a person, or one; durable on return."""
        where = (
            login_sessions.c.user_name == user_name
            if user_name
            else login_sessions.c.token_sha256 == token_sha256
        )
        with self._database.writing() as connection:
            connection.execute(delete(login_sessions).where(where))


def _pack(body: Mapping[str, object]) -> bytes:
    return json.dumps(body, ensure_ascii=False, sort_keys=True).encode()


def _user(name: str, body: bytes) -> User:
    try:
        found: dict[str, Any] = json.loads(body)
        count, last_s, locked_until_s, locks = found["failures"]
        return User(
            name=name,
            password_hash=found["password_hash"],
            roles=frozenset(map(Role, found["roles"])),
            scope=parse_scope(found["scope"]),
            active=bool(found["active"]),
            failures=Failures(
                count=count, last_s=last_s, locked_until_s=locked_until_s, locks=locks
            ),
        )
    except (ValueError, KeyError, TypeError, VppError) as error:
        raise StoreError(f"user {name}: the record cannot be read") from error


def _key(key_id: str, body: bytes) -> ApiKey:
    try:
        found: dict[str, Any] = json.loads(body)
        return ApiKey(
            key_id=key_id,
            secret_sha256=found["secret_sha256"],
            label=found["label"],
            roles=frozenset(map(Role, found["roles"])),
            scope=parse_scope(found["scope"]),
            expires_at=datetime.fromisoformat(found["expires_at"]),
            active=bool(found["active"]),
            person=str(found.get("person", "")),
        )
    except (ValueError, KeyError, TypeError, VppError) as error:
        raise StoreError(f"API key {key_id}: the record cannot be read") from error


def _session(row: Row[Any]) -> Session:
    try:
        found: dict[str, Any] = json.loads(row.body)
        return Session(
            token_sha256=row.token_sha256,
            csrf_sha256=found["csrf_sha256"],
            user_name=row.user_name,
            started_at=datetime.fromisoformat(found["started_at"]),
            expires_at=row.expires_at,
        )
    except (ValueError, KeyError, TypeError) as error:
        raise StoreError("a session's record cannot be read") from error
