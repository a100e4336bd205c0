"""Who asks: a key, a token, a session or this machine becomes an authority."""

import enum
import ipaddress
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web

from cloud_coordinator.access.scope import BOOTSTRAP, NOBODY, Authority
from cloud_coordinator.access.secrets_kept import same
from cloud_coordinator.services.accounts import Accounts
from cloud_coordinator.services.auditing import Trail
from cloud_coordinator.services.identity import SESSION_S, Identity, Opened
from cloud_coordinator.web.problems import Kind, ProblemError
from protocols.vocabulary.errors import AccessDeniedError, ConfigError

SESSION_COOKIE: Final = "vpp_session"
CSRF_COOKIE: Final = "vpp_csrf"
CSRF_HEADER: Final = "X-CSRF-Token"
KEY_HEADER: Final = "X-API-Key"
OPERATOR_HEADER: Final = "X-Operator"
"""Names the caller where nobody is asked who they are: on loopback, without persons."""
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_BEARER: Final = "bearer "


class Asking(enum.Enum):
    """When people are asked who they are."""

    ALWAYS = "always"
    ONCE_KNOWN = "once a person is known"
    NEVER = "never"


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Who is known, who administers, and the audit trail.

    Attributes
    ----------
    identity, accounts, trail
        The use cases.
    asking : Asking
        Whether everybody is asked who they are.
    """

    identity: Identity
    accounts: Accounts
    trail: Trail
    asking: Asking = Asking.ALWAYS

    @property
    def is_open(self) -> bool:
        """Whether nobody is asked who they are; what they do is written down all the same."""
        if self.asking is Asking.ONCE_KNOWN:
            return not self.identity.has_people()
        return self.asking is Asking.NEVER


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who asks, and the new secrets of the session if it was time for some."""

    authority: Authority
    renewed: Opened | None = None


def asking_of(host: str, *, is_open: bool) -> Asking:
    """Decide when people are asked who they are.

    They are as soon as there is a person, and always where others than this machine can reach
    the coordinator; ``is_open`` asks nobody, on this machine only.

    Raises
    ------
    ConfigError
        If it is to be open toward others.
    """
    is_near = _is_loopback(host)
    if is_open and not is_near:
        raise ConfigError(f"--open: only with a loopback address, not {host}")
    if is_open:
        return Asking.NEVER
    return Asking.ONCE_KNOWN if is_near else Asking.ALWAYS


def caller_of(request: web.Request, identity: Identity) -> Caller:
    """Find out who asks.

    Raises
    ------
    ProblemError
        UNAUTHENTICATED, if what was presented proves nobody; FORBIDDEN, if a change comes with
        a session but without its second proof.
    """
    try:
        return _caller(request, identity)
    except AccessDeniedError as error:
        raise ProblemError(Kind.UNAUTHENTICATED, str(error)) from error


def _caller(request: web.Request, identity: Identity) -> Caller:
    key = request.headers.get(KEY_HEADER)
    if key is not None:
        return Caller(authority=identity.by_key(key))
    bearer = request.headers.get("Authorization", "")
    if bearer[: len(_BEARER)].lower() == _BEARER:
        return Caller(authority=identity.by_token(bearer[len(_BEARER) :]))
    token = request.cookies.get(SESSION_COOKIE)
    if token is None:
        if is_loopback(request) and not identity.has_administrator():
            return Caller(authority=BOOTSTRAP)
        return Caller(authority=NOBODY)
    session, authority = identity.by_session(token)
    if request.method in SAFE_METHODS:
        return Caller(authority=authority, renewed=identity.rotated(session))
    if not same(session.csrf_sha256, request.headers.get(CSRF_HEADER, "")):
        raise ProblemError(
            Kind.FORBIDDEN, f"{CSRF_HEADER}: a change by a session must carry its second proof"
        )
    return Caller(authority=authority)


def is_loopback(request: web.Request) -> bool:
    """Whether the connection itself comes from this machine; no header is believed."""
    return _is_loopback(request.remote or "")


def names_this_machine(request: web.Request) -> bool:
    """Whether a browser was sent here by a name of this machine, not by one of a stranger's."""
    try:
        return _is_loopback(urlsplit(f"//{request.host}").hostname or "")
    except ValueError:
        return False


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def give_session(response: web.StreamResponse, opened: Opened, *, is_secure: bool) -> None:
    """Put a session's secrets into cookies: one for the server, one the page sends along."""
    for name, value, is_hidden in (
        (SESSION_COOKIE, opened.token, True),
        (CSRF_COOKIE, opened.csrf, False),
    ):
        response.set_cookie(
            name,
            value,
            max_age=int(SESSION_S),
            httponly=is_hidden,
            secure=is_secure,
            samesite="Strict",
        )


def take_session(response: web.StreamResponse) -> None:
    """Have the browser forget a session."""
    response.del_cookie(SESSION_COOKIE)
    response.del_cookie(CSRF_COOKIE)
