"""An identity provider (OpenID Connect): its file, its keys over HTTPS, its tokens judged.

``openid.toml`` in the data directory names it. Keys are fetched beside the requests: a request
never waits for the provider, it is judged by the keys that are there.

Notes
-----
OpenID Connect Discovery 1.0 section 4; RFC 8414 section 3.
"""

import asyncio
import json
import ssl
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import aiohttp
import structlog

from cloud_coordinator.access.grants import Grant, authority_of
from cloud_coordinator.access.permissions import Role
from cloud_coordinator.access.scope import Authority, parse_scope
from cloud_coordinator.access.tokens import (
    ALGORITHMS,
    Expected,
    ProviderKey,
    UnknownKeyError,
    read_keys,
    verified,
)
from protocols.vocabulary.errors import AccessDeniedError, ConfigError
from protocols.vocabulary.intervals import Clock

FILE: Final = "openid.toml"
REFRESH_S: Final = 3_600.0
AGAIN_S: Final = 30.0
"""Between two fetches at least, whoever asks."""
KEYS_AGE_MAX: Final = timedelta(hours=24)
"""Keys that could not be fetched again for this long are not believed any more."""
TIMEOUT_S: Final = 10.0
ANSWER_BYTES_MAX: Final = 262_144
_OK: Final = 200
_KEYS: Final = frozenset(
    {"issuer", "audience", "algorithms", "parties", "ca", "person_claim", "grant"}
)
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderFile:
    """What a person wrote about the provider.

    Attributes
    ----------
    expected : Expected
        What its tokens must say.
    grants : tuple of Grant
        What they are worth.
    person_claim : str
        Claim with a person's log-in name; empty for none.
    ca : Path or None
        Whom its server's certificate must lead to; None for the machine's own list.
    """

    expected: Expected
    grants: tuple[Grant, ...]
    person_claim: str = ""
    ca: Path | None = None


def read_provider_file(path: Path) -> ProviderFile | None:
    """Read the file; None if it is not there.

    Raises
    ------
    ConfigError
        Place and cause, if it is wrong.
    """
    try:
        plain = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: {error}") from error
    try:
        return _read(plain, path.parent)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


def _read(plain: dict[str, object], folder: Path) -> ProviderFile:
    for name in plain.keys() - _KEYS:
        raise ConfigError(f"{name}: is no key here; there are {', '.join(sorted(_KEYS))}")
    issuer, audience = _text(plain, "issuer"), _text(plain, "audience")
    if urlsplit(issuer).scheme != "https":
        raise ConfigError("issuer: must be an https address")
    algorithms = _texts(plain, "algorithms") or ("RS256",)
    for one in algorithms:
        if one not in ALGORITHMS:
            raise ConfigError(f"algorithms: {one}: there are {', '.join(ALGORITHMS)}")
    listed = plain.get("grant", [])
    if not isinstance(listed, list) or not listed:
        raise ConfigError("grant: name at least one [[grant]]")
    ca = plain.get("ca")
    return ProviderFile(
        expected=Expected(
            issuer=issuer,
            audience=audience,
            algorithms=frozenset(algorithms),
            parties=frozenset(_texts(plain, "parties")),
        ),
        grants=tuple(_grant(one, number) for number, one in enumerate(listed, start=1)),
        person_claim=_text(plain, "person_claim") if "person_claim" in plain else "",
        ca=None if ca is None else folder / _text(plain, "ca"),
    )


def _grant(found: object, number: int) -> Grant:
    where = f"grant {number}"
    if not isinstance(found, dict) or found.keys() - {"claim", "value", "roles", "scope"}:
        raise ConfigError(f"{where}: has claim, value, roles and scope, nothing else")
    if not found.get("roles"):
        raise ConfigError(f"{where}: roles: name at least one")
    try:
        return Grant(
            claim=_text(found, "claim"),
            value=_text(found, "value"),
            roles=frozenset(map(Role, _texts(found, "roles"))),
            scope=parse_scope(_text(found, "scope")),
        )
    except ValueError as error:
        raise ConfigError(f"{where}: roles: there are {', '.join(Role)}") from error
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from error


def _text(found: dict[str, object], name: str) -> str:
    value = found.get(name)
    if not isinstance(value, str) or not value:
        raise ConfigError(f"{name}: write a text")
    return value


def _texts(found: dict[str, object], name: str) -> tuple[str, ...]:
    value = found.get(name, [])
    if not isinstance(value, list) or not all(isinstance(one, str) and one for one in value):
        raise ConfigError(f"{name}: write a list of texts")
    return tuple(value)


class OpenIdProvider:
    """Judges tokens of one provider.

    Parameters
    ----------
    file : ProviderFile
        Who it is, and what its tokens are worth.
    clock : Clock
        For the age of its keys.

    Raises
    ------
    ConfigError
        If the file of its certificate authority cannot be used.
    """

    def __init__(self, file: ProviderFile, clock: Clock) -> None:
        self._file = file
        self._clock = clock
        self._keys: Sequence[ProviderKey] = ()
        self._fetched_at: datetime | None = None
        self._wanted = asyncio.Event()
        self._is_lost = False
        self._context = _context(file.ca)

    def authority(self, token: str, now: datetime) -> Authority:
        """Return whom a token names.

        Raises
        ------
        AccessDeniedError
            If it does not prove it, or the provider's keys are not known.
        """
        if self._fetched_at is None or now - self._fetched_at > KEYS_AGE_MAX:
            self._wanted.set()
            raise AccessDeniedError("token: the identity provider cannot be reached now")
        try:
            claims = verified(token, self._keys, self._file.expected, now=now)
        except UnknownKeyError:
            self._wanted.set()
            raise
        return authority_of(claims, self._file.grants, person_claim=self._file.person_claim)

    async def run(self) -> None:
        """Keep the keys fresh; never returns."""
        while True:
            self._wanted.clear()
            await self.fetch()
            await asyncio.sleep(AGAIN_S)
            try:
                async with asyncio.timeout(REFRESH_S - AGAIN_S):
                    await self._wanted.wait()
            except TimeoutError:
                continue

    async def fetch(self) -> None:
        """Fetch the keys; if that fails those at hand are kept, and a warning is logged once."""
        try:
            self._keys = await self._fetched()
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError, AccessDeniedError) as error:
            if not self._is_lost:
                _log.warning("openid.lost", issuer=self._file.expected.issuer, cause=str(error))
            self._is_lost = True
            return
        if self._is_lost or self._fetched_at is None:
            _log.info("openid.live", issuer=self._file.expected.issuer, keys=len(self._keys))
        self._is_lost, self._fetched_at = False, self._clock.now()

    async def _fetched(self) -> Sequence[ProviderKey]:
        issuer = self._file.expected.issuer
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
        connector = aiohttp.TCPConnector(ssl=self._context)
        async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session:
            where = f"{issuer.rstrip('/')}/.well-known/openid-configuration"
            found = await _document(session, where)
            if found.get("issuer") != issuer:
                raise AccessDeniedError(f"{where}: speaks of another issuer")
            place = found.get("jwks_uri")
            if not isinstance(place, str) or urlsplit(place).scheme != "https":
                raise AccessDeniedError(f"{where}: jwks_uri is no https address")
            return read_keys(await _document(session, place))


async def _document(session: aiohttp.ClientSession, where: str) -> dict[str, object]:
    """Fetch one JSON object over HTTPS; a redirect is not followed."""
    async with session.get(where, allow_redirects=False) as answered:
        if answered.status != _OK:
            raise AccessDeniedError(f"{where}: HTTP {answered.status}")
        body = await answered.content.read(ANSWER_BYTES_MAX + 1)
        while len(body) <= ANSWER_BYTES_MAX and not answered.content.at_eof():
            body += await answered.content.read(ANSWER_BYTES_MAX + 1)
    if len(body) > ANSWER_BYTES_MAX:
        raise AccessDeniedError(f"{where}: is too long")
    found = json.loads(body)
    if not isinstance(found, dict):
        raise AccessDeniedError(f"{where}: holds no object")
    return found


def _context(ca: Path | None) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=None if ca is None else str(ca))
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"{ca}: {error}") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
