"""Who asks: a key, a token, a session or this machine becomes an authority."""

import ipaddress
import secrets
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from cloud_coordinator.access.scope import BOOTSTRAP, NOBODY, Authority
from cloud_coordinator.access.secrets_kept import same
from cloud_coordinator.services.auditing import AuditStore, Trail
from cloud_coordinator.services.identity import (
    SESSION_S,
    Accounts,
    Identity,
    IdentityStore,
    Opened,
)
from cloud_coordinator.web.problems import Kind, ProblemError
from protocols.vocabulary.errors import AccessDeniedError, ConfigError
from protocols.vocabulary.intervals import Clock

SESSION_COOKIE: Final = "vpp_session"
CSRF_COOKIE: Final = "vpp_csrf"
CSRF_HEADER: Final = "X-CSRF-Token"
KEY_HEADER: Final = "X-API-Key"
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_BEARER: Final = "bearer "


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Who is known, who administers, and the audit trail."""

    identity: Identity
    accounts: Accounts
    trail: Trail


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who asks, and the new secrets of the session if it was time for some."""

    authority: Authority
    renewed: Opened | None = None


def open_access(
    stores: tuple[IdentityStore, AuditStore], clock: Clock, *, host: str, is_open: bool
) -> Access | None:
    """Decide whether everybody is asked who they are.

    They are as soon as there is a person, and always where others than this machine can reach
    the coordinator; ``is_open`` asks nobody, on this machine only.

    Raises
    ------
    ConfigError
        If it is to be open toward others.
    """
    identities, audit = stores
    is_near = _is_loopback(host)
    if is_open and not is_near:
        raise ConfigError(f"--open: only with a loopback address, not {host}")
    if is_open or (is_near and not identities.users()):
        return None
    draw = secrets.token_bytes
    return Access(
        identity=Identity(identities, clock, draw=draw),
        accounts=Accounts(identities, clock, draw=draw),
        trail=Trail(audit, clock),
    )


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
    if request.method in _SAFE:
        return Caller(authority=authority, renewed=identity.rotated(session))
    if not same(session.csrf_sha256, request.headers.get(CSRF_HEADER, "")):
        raise ProblemError(
            Kind.FORBIDDEN, f"{CSRF_HEADER}: a change by a session must carry its second proof"
        )
    return Caller(authority=authority)


def is_loopback(request: web.Request) -> bool:
    """Whether the connection itself comes from this machine; no header is believed."""
    return _is_loopback(request.remote or "")


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
