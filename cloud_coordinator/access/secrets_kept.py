"""Passwords, API keys and sessions as they are kept: never the secret, always its hash; pure.

Passwords are guessed by machines, so they are hashed slowly with argon2id; keys and session
tokens are 256 drawn bits, for which one SHA-256 is enough.
"""

import base64
import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError
from argon2.low_level import Type

from cloud_coordinator.access.lockout import Failures
from cloud_coordinator.access.permissions import Role
from cloud_coordinator.access.scope import SiteScope
from protocols.vocabulary.errors import ConfigError

PASSWORD_LENGTH_MIN: Final = 12
PASSWORD_LENGTH_MAX: Final = 256
SECRET_BYTES: Final = 32
SALT_BYTES: Final = 16
ID_BYTES: Final = 6
KEY_PREFIX: Final = "vpp"
_HASHER: Final = PasswordHasher(
    time_cost=2, memory_cost=19_456, parallelism=1, hash_len=32, type=Type.ID
)
_NEVER: Final = _HASHER.hash("nobody has this password", salt=bytes(SALT_BYTES))
"""Checked where there is no such user, so that the answer takes as long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A person.

    Attributes
    ----------
    name : str
        Log-in name.
    password_hash : str
        argon2id, encoded with its parameters.
    roles, scope
        What the person may, and where.
    active : bool
        False once disabled: no log-in, and sessions end.
    failures : Failures
        For the lock-out.
    """

    name: str
    password_hash: str
    roles: frozenset[Role]
    scope: SiteScope
    active: bool = True
    failures: Failures = Failures()  # noqa: RUF009  a frozen record


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A program's key.

    Attributes
    ----------
    key_id : str
        Told openly.
    secret_sha256 : str
        Of the secret.
    label : str
        What it is for.
    roles, scope
        What the program may, and where.
    expires_at : datetime
        Aware UTC; there is no key for ever.
    active : bool
        False once revoked.
    person : str
        Log-in name of the person whose key it is; empty for a program's own.
    """

    key_id: str
    secret_sha256: str
    label: str
    roles: frozenset[Role]
    scope: SiteScope
    expires_at: datetime
    active: bool = True
    person: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A log-in of a person's browser.

    Attributes
    ----------
    token_sha256 : str
        Of the cookie.
    csrf_sha256 : str
        Of the value a change must carry in a header beside the cookie.
    user_name : str
        Whose.
    started_at, expires_at : datetime
        Aware UTC.
    """

    token_sha256: str
    csrf_sha256: str
    user_name: str
    started_at: datetime
    expires_at: datetime


def hash_password(password: str, *, salt: bytes) -> str:
    """Hash a new password.

    Raises
    ------
    ConfigError
        If it is too short or too long.
    """
    if not PASSWORD_LENGTH_MIN <= len(password) <= PASSWORD_LENGTH_MAX:
        raise ConfigError(
            f"password: has {len(password)} characters, "
            f"{PASSWORD_LENGTH_MIN} to {PASSWORD_LENGTH_MAX} are asked for"
        )
    return _HASHER.hash(password, salt=salt)


def password_fits(password_hash: str | None, password: str) -> bool:
    """Whether a password is the one; takes as long where there is none to compare with."""
    try:
        fits = _HASHER.verify(password_hash or _NEVER, password[: PASSWORD_LENGTH_MAX + 1])
    except (Argon2Error, InvalidHashError):
        return False
    return fits and password_hash is not None


def text_of(secret: bytes) -> str:
    """Write drawn bytes so that they fit a header, a cookie and a line."""
    return base64.urlsafe_b64encode(secret).rstrip(b"=").decode()


def sha256_of(secret: str) -> str:
    """Return what is kept of a drawn secret."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def key_text(key_id: str, secret: str) -> str:
    """Return a key as its owner keeps it, shown once."""
    return f"{KEY_PREFIX}_{key_id}_{secret}"


def split_key(text: str) -> tuple[str, str] | None:
    """Split a presented key into id and secret; None if it is none."""
    prefix, _, rest = text.partition("_")
    key_id, _, secret = rest.partition("_")
    return (key_id, secret) if prefix == KEY_PREFIX and key_id and secret else None


def same(kept_sha256: str, presented: str) -> bool:
    """Compare a presented secret in constant time."""
    return hmac.compare_digest(kept_sha256, sha256_of(presented))
