"""Who is it: log-in, sessions, API keys and tokens of an identity provider become an authority."""

import math
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Protocol

from cloud_coordinator.access.lockout import Failures, failed, locked
from cloud_coordinator.access.permissions import Role
from cloud_coordinator.access.scope import Authority
from cloud_coordinator.access.secrets_kept import (
    SECRET_BYTES,
    ApiKey,
    Session,
    User,
    password_fits,
    same,
    sha256_of,
    split_key,
    text_of,
)
from protocols.vocabulary.errors import AccessDeniedError
from protocols.vocabulary.intervals import Clock

SESSION_S: Final = 8 * 3_600.0
ROTATE_S: Final = 900.0
"""A session gets a new token after this time, s."""
GRACE_S: Final = 30.0
"""The old token is taken this much longer, for requests that were under way, s."""


class IdentityStore(Protocol):
    """Who is known."""

    def users(self) -> Sequence[User]:
        """All persons."""

    def user(self, name: str) -> User | None:
        """One person."""

    def save_user(self, user: User) -> None:
        """Insert or replace."""

    def keys(self) -> Sequence[ApiKey]:
        """All keys."""

    def key(self, key_id: str) -> ApiKey | None:
        """One key."""

    def save_key(self, key: ApiKey) -> None:
        """Insert or replace."""

    def session(self, token_sha256: str) -> Session | None:
        """One session."""

    def add_session(self, session: Session) -> None:
        """Keep a session."""

    def shorten_session(self, token_sha256: str, expires_at: datetime) -> None:
        """Let a session end earlier."""

    def end_sessions(self, *, user_name: str = "", token_sha256: str = "") -> None:
        """End all of a person, or one."""


class LockedError(AccessDeniedError):
    """A name is locked after failed log-ins."""


class TokenJudge(Protocol):
    """Judges tokens of an identity provider (OpenID Connect)."""

    def authority(self, token: str, now: datetime) -> Authority:
        """Return who it is; ``AccessDeniedError`` if the token does not prove it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A session that was just opened; its secrets go to the browser and are kept nowhere.

    Attributes
    ----------
    token, csrf : str
        Value of the cookie, and what a change must carry beside it.
    authority : Authority
        Who it is.
    """

    token: str
    csrf: str
    authority: Authority


class Identity:
    """The use cases of identity.

    Parameters
    ----------
    store : IdentityStore
        Who is known.
    clock : Clock
        For lock-out and expiry.
    draw : callable
        Returns that many random bytes.
    tokens : TokenJudge or None
        Of an identity provider, if there is one.
    """

    def __init__(
        self,
        store: IdentityStore,
        clock: Clock,
        *,
        draw: Callable[[int], bytes],
        tokens: TokenJudge | None = None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._draw = draw
        self._tokens = tokens
        self._counting = threading.Lock()
        self._has_people = False

    def has_people(self) -> bool:
        """Whether a person is known, also one who was disabled."""
        self._has_people = self._has_people or bool(self._store.users())
        return self._has_people

    def has_administrator(self) -> bool:
        """Whether somebody can administer; until then this machine may add the first."""
        return any(one.active and Role.ADMINISTRATOR in one.roles for one in self._store.users())

    def log_in(self, name: str, password: str) -> Opened:
        """Open a session.

        Raises
        ------
        AccessDeniedError
            If name and password do not fit or the name is locked; it does not say which of
            name and password is wrong.
        """
        with self._counting:  # tries at the same time are counted one by one
            return self._log_in(name, password)

    def _log_in(self, name: str, password: str) -> Opened:
        now = self._clock.now()
        user = self._store.user(name)
        if user is not None and locked(user.failures, now.timestamp()):
            minutes = math.ceil((user.failures.locked_until_s - now.timestamp()) / 60.0)
            raise LockedError(f"too many failed log-ins; try again in {minutes} min")
        fits = password_fits(None if user is None else user.password_hash, password)
        if user is None or not fits or not user.active:
            if user is not None:
                counted = failed(user.failures, now.timestamp())
                self._store.save_user(replace(user, failures=counted))
            raise AccessDeniedError("name and password do not fit")
        if user.failures != Failures():
            self._store.save_user(replace(user, failures=Failures()))
        return self._open(user, expires_at=now + timedelta(seconds=SESSION_S))

    def by_session(self, token: str) -> tuple[Session, Authority]:
        """Return the session of a cookie.

        Raises
        ------
        AccessDeniedError
            If it ended, or the person was disabled.
        """
        session = self._store.session(sha256_of(token))
        if session is None or session.expires_at <= self._clock.now():
            raise AccessDeniedError("the session has ended; log in again")
        user = self._store.user(session.user_name)
        if user is None or not user.active:
            raise AccessDeniedError("the session has ended; log in again")
        return session, _of_user(user)

    def rotated(self, session: Session) -> Opened | None:
        """Give an old session new secrets; None while it is young."""
        now = self._clock.now()
        if (now - session.started_at).total_seconds() < ROTATE_S:
            return None
        if (session.expires_at - now).total_seconds() <= GRACE_S:
            return None
        user = self._store.user(session.user_name)
        if user is None:
            return None
        return self._open(user, expires_at=session.expires_at, replaces=session.token_sha256)

    def log_out(self, token: str) -> None:
        """End a session."""
        self._store.end_sessions(token_sha256=sha256_of(token))

    def by_key(self, presented: str) -> Authority:
        """Return whose an API key is.

        Raises
        ------
        AccessDeniedError
            If it is none of ours, was revoked or has expired, or its person was disabled.
        """
        parts = split_key(presented)
        key = None if parts is None else self._store.key(parts[0])
        if key is None or parts is None or not same(key.secret_sha256, parts[1]):
            raise AccessDeniedError("the API key is not known")
        if not key.active or key.expires_at <= self._clock.now():
            raise AccessDeniedError(f"API key {key.key_id}: was revoked or has expired")
        if not key.person:
            return Authority(subject=f"key:{key.key_id}", roles=key.roles, scope=key.scope)
        user = self._store.user(key.person)
        if user is None or not user.active:
            raise AccessDeniedError(f"API key {key.key_id}: its person may not log in any more")
        return Authority(
            subject=f"user:{user.name} key:{key.key_id}",
            roles=key.roles & user.roles,
            scope=key.scope.narrowed(user.scope),
            person=f"user:{user.name}",
        )

    def by_token(self, token: str) -> Authority:
        """Return who a token of the identity provider names.

        Raises
        ------
        AccessDeniedError
            If there is no provider, or the token does not prove it.
        """
        if self._tokens is None:
            raise AccessDeniedError("bearer tokens are not taken here; use X-API-Key")
        return self._tokens.authority(token, self._clock.now())

    def _open(self, user: User, *, expires_at: datetime, replaces: str = "") -> Opened:
        token, csrf = text_of(self._draw(SECRET_BYTES)), text_of(self._draw(SECRET_BYTES))
        session = Session(
            token_sha256=sha256_of(token),
            csrf_sha256=sha256_of(csrf),
            user_name=user.name,
            started_at=self._clock.now(),
            expires_at=expires_at,
        )
        self._store.add_session(session)
        if replaces:
            self._store.shorten_session(replaces, session.started_at + timedelta(seconds=GRACE_S))
        return Opened(token=token, csrf=csrf, authority=_of_user(user))


def _of_user(user: User) -> Authority:
    name = f"user:{user.name}"
    return Authority(subject=name, roles=user.roles, scope=user.scope, person=name)
