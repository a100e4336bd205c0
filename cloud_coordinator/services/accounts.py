"""The use cases of those who administer persons and API keys."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Final

from cloud_coordinator.access.lockout import Failures
from cloud_coordinator.access.permissions import Role
from cloud_coordinator.access.scope import SiteScope
from cloud_coordinator.access.secrets_kept import (
    ID_BYTES,
    SALT_BYTES,
    SECRET_BYTES,
    ApiKey,
    User,
    hash_password,
    key_text,
    sha256_of,
    text_of,
)
from cloud_coordinator.services.errors import ConflictError, UnknownError
from cloud_coordinator.services.identity import IdentityStore
from protocols.vocabulary.errors import ConfigError
from protocols.vocabulary.identifiers import checked_name
from protocols.vocabulary.intervals import Clock

KEY_DAYS_MAX: Final = 366


class Accounts:
    """The use cases of those who administer persons and keys.

    Parameters
    ----------
    store : IdentityStore
        Who is known.
    clock : Clock
        For the expiry of keys.
    draw : callable
        Returns that many random bytes.
    """

    def __init__(self, store: IdentityStore, clock: Clock, *, draw: Callable[[int], bytes]) -> None:
        self._store = store
        self._clock = clock
        self._draw = draw

    def users(self) -> Sequence[User]:
        """All persons, by name."""
        return self._store.users()

    def add_user(
        self, name: str, password: str, *, roles: frozenset[Role], scope: SiteScope
    ) -> User:
        """Add a person.

        Raises
        ------
        ConfigError
            If name, password or roles cannot be used.
        ConflictError
            If the name is taken.
        """
        if not roles:
            raise ConfigError("roles: name at least one")
        if self._store.user(checked_name(name, "user name")) is not None:
            raise ConflictError(f"name: {name} is taken")
        password_hash = hash_password(password, salt=self._draw(SALT_BYTES))
        user = User(name=name, password_hash=password_hash, roles=roles, scope=scope)
        self._store.save_user(user)
        return user

    def disable_user(self, name: str) -> User:
        """Disable a person, and end all sessions.

        Raises
        ------
        UnknownError
            If there is none.
        ConflictError
            If it is the last administrator: then whoever is at this machine could be the next.
        """
        self._keep_administrator(name)
        user = replace(self._known(name), active=False)
        self._store.save_user(user)
        self._store.end_sessions(user_name=name)
        return user

    def set_roles(self, name: str, roles: frozenset[Role], scope: SiteScope | None) -> User:
        """Give other roles, and another scope if one is given; sessions end.

        Raises
        ------
        ConfigError
            If no role is named.
        UnknownError
            If there is no such person.
        ConflictError
            If there would be no administrator any more.
        """
        if not roles:
            raise ConfigError("roles: name at least one")
        user = self._known(name)
        if Role.ADMINISTRATOR not in roles:
            self._keep_administrator(name)
        changed = replace(user, roles=roles, scope=user.scope if scope is None else scope)
        self._store.save_user(changed)
        self._store.end_sessions(user_name=name)
        return changed

    def change_password(self, name: str, password: str) -> None:
        """Set a new password, which also opens a lock; all sessions end."""
        password_hash = hash_password(password, salt=self._draw(SALT_BYTES))
        user = self._known(name)
        self._store.save_user(replace(user, password_hash=password_hash, failures=Failures()))
        self._store.end_sessions(user_name=name)

    def keys(self) -> Sequence[ApiKey]:
        """All API keys, by id."""
        return self._store.keys()

    def create_key(
        self,
        label: str,
        *,
        roles: frozenset[Role],
        scope: SiteScope,
        days: int,
        person: str = "",
    ) -> tuple[ApiKey, str]:
        """Make a key; its text is returned once and kept nowhere.

        A person's key never does more than the person may, and ends with the person.

        Raises
        ------
        ConfigError
            If it would hold too long, or no role is named.
        UnknownError
            If there is no such person.
        """
        if person:
            self._known(person)
        if not roles:
            raise ConfigError("roles: name at least one")
        if not 1 <= days <= KEY_DAYS_MAX:
            raise ConfigError(f"days: {days}; 1 to {KEY_DAYS_MAX} are possible")
        secret = text_of(self._draw(SECRET_BYTES))
        key = ApiKey(
            key_id=self._draw(ID_BYTES).hex(),
            secret_sha256=sha256_of(secret),
            label=label,
            roles=roles,
            scope=scope,
            expires_at=self._clock.now() + timedelta(days=days),
            person=person,
        )
        self._store.save_key(key)
        return key, key_text(key.key_id, secret)

    def revoke_key(self, key_id: str) -> ApiKey:
        """Revoke a key at once; ``UnknownError`` if there is none."""
        key = self._store.key(key_id)
        if key is None:
            raise UnknownError(f"API key {key_id}: there is none")
        revoked = replace(key, active=False)
        self._store.save_key(revoked)
        return revoked

    def _keep_administrator(self, name: str) -> None:
        """Refuse to lose the last administrator."""
        left = {
            one.name
            for one in self._store.users()
            if one.active and Role.ADMINISTRATOR in one.roles
        }
        if left == {name}:
            raise ConflictError(f"{name}: is the last administrator; add another first")

    def _known(self, name: str) -> User:
        user = self._store.user(name)
        if user is None:
            raise UnknownError(f"user {name}: there is none")
        return user
