"""Use case: a gateway becomes its site, stays it, and stops being it.

A person adds a site and gets a one-time code; the gateway shows the code with a certificate
request. The code works once, for one key: the same gateway may ask again after a lost answer,
another may not. Wrong attempts are counted per code. Codes are stored as salted scrypt hashes.
"""

import enum
import hashlib
import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final, Protocol

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from cloud_coordinator.services.errors import ConflictError, RejectedError, UnknownError
from protocols.identity.codes import SECRET_BYTES, TICKET_BYTES, EnrolmentCode
from protocols.identity.names import serial_text
from protocols.identity.requests import SiteRequest
from protocols.vocabulary.identifiers import SiteId, ZoneId
from protocols.vocabulary.intervals import Clock

ATTEMPTS_MAX: Final = 5
CODE_LIFE: Final = timedelta(hours=24)
SITE_LIFE: Final = timedelta(days=90)
TICKET_DRAWS: Final = 64
_SALT_BYTES: Final = 16
_SCRYPT_N: Final = 2**14
_REFUSED: Final = "code: is wrong, used up or expired; ask for a new one with `vpp sites replace`"


class EnrolmentState(enum.Enum):
    """How far a site is."""

    WAITING = "waiting"
    ENROLLED = "enrolled"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolment:
    """A site that may be, is, or was enrolled.

    Attributes
    ----------
    site_id, zone : str
        Which, and which dispatch signal it hears.
    state : EnrolmentState
        How far it is.
    ticket : int or None
        Of the code in force.
    salt, secret_hash : bytes
        Of its secret.
    code_expires_at : datetime or None
        Aware UTC.
    attempts_left : int
        Wrong attempts that are still allowed.
    key_hash : bytes
        Of the keys the code was used for; empty if it was not.
    added_at : datetime
        Aware UTC.
    """

    site_id: SiteId
    zone: ZoneId
    state: EnrolmentState
    ticket: int | None
    salt: bytes = field(repr=False)
    secret_hash: bytes = field(repr=False)
    code_expires_at: datetime | None
    attempts_left: int
    key_hash: bytes
    added_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteCertificate:
    """A certificate that was issued: serial, site, when, the key of receipts, DER."""

    serial: str
    site_id: SiteId
    issued_at: datetime
    expires_at: datetime
    receipt_key: bytes
    certificate: bytes


class Enrolments(Protocol):
    """What is durable of it."""

    def enrolments(self) -> Sequence[Enrolment]:
        """All, by site."""
        ...

    def change(
        self, key: SiteId | int, step: Callable[[Enrolment | None], Enrolment | None]
    ) -> None:
        """Read one by site or ticket, and keep what the step makes of it, in one transaction."""
        ...

    def add_certificate(self, certificate: SiteCertificate) -> None:
        """Keep one; durable on return."""
        ...

    def certificates(self, site_id: SiteId) -> Sequence[SiteCertificate]:
        """Those of a site, oldest first."""
        ...


class Issuing(Protocol):
    """An authority."""

    @property
    def pin(self) -> bytes:
        """For codes."""
        ...

    def issue(self, request: SiteRequest, *, at: datetime, life: timedelta) -> x509.Certificate:
        """Certify a gateway."""
        ...


class Revoking(Protocol):
    """The list of what is refused."""

    def is_revoked(self, serial: str) -> bool:
        """Whether it is on the list."""
        ...

    def revoke(self, serials: Sequence[str], *, at: datetime, reason: str) -> None:
        """Put it there."""
        ...


class Enrolling:
    """The use case.

    Parameters
    ----------
    store : Enrolments
        What is durable.
    authority : Issuing
        Certifies.
    revoked : Revoking
        What is refused.
    clock : Clock
        Time.
    draw : callable
        So many random bytes.
    life : timedelta
        Of a gateway's certificate; it renews itself when a third is left.
    """

    def __init__(  # noqa: PLR0913  wiring: each is one collaborator
        self,
        store: Enrolments,
        authority: Issuing,
        *,
        revoked: Revoking,
        clock: Clock,
        draw: Callable[[int], bytes],
        life: timedelta = SITE_LIFE,
    ) -> None:
        self._life = life
        self._store = store
        self._authority = authority
        self._revoked = revoked
        self._clock = clock
        self._draw = draw

    def add(self, site_id: SiteId, zone: ZoneId, *, life: timedelta = CODE_LIFE) -> EnrolmentCode:
        """Let a new site enrol.

        Raises
        ------
        ConflictError
            If the site is known already.
        """
        code = self._new_code()

        def step(known: Enrolment | None) -> Enrolment:
            if known is not None and known.state is not EnrolmentState.WAITING:
                raise ConflictError(
                    f"site {site_id}: is {known.state.value} already; "
                    f"`vpp sites replace {site_id}` gives another gateway its place"
                )
            return self._waiting(site_id, zone, code, life=life)

        self._store.change(site_id, step)
        return code

    def replace(self, site_id: SiteId, *, life: timedelta = CODE_LIFE) -> EnrolmentCode:
        """Give the place of a site to another gateway; the former one is cut off at once.

        Raises
        ------
        UnknownError
            If there is no such site.
        """
        self.revoke(site_id, reason="gateway replaced")
        code = self._new_code()

        def step(known: Enrolment | None) -> Enrolment:
            zone = _known(known, site_id).zone
            return self._waiting(site_id, zone, code, life=life)

        self._store.change(site_id, step)
        return code

    def revoke(self, site_id: SiteId, *, reason: str) -> Sequence[str]:
        """Cut a site off: its code is void, and every certificate it ever had is refused.

        Returns
        -------
        sequence of str
            The serial numbers.

        Raises
        ------
        UnknownError
            If there is no such site.
        """

        def step(known: Enrolment | None) -> Enrolment:
            return replace(
                _known(known, site_id),
                state=EnrolmentState.REVOKED,
                ticket=None,
                code_expires_at=None,
                attempts_left=0,
                key_hash=b"",
            )

        self._store.change(site_id, step)
        serials = [one.serial for one in self._store.certificates(site_id)]
        self._revoked.revoke(serials, at=self._clock.now(), reason=reason)
        return serials

    def enrol(self, ticket: int, secret: bytes, request: SiteRequest) -> x509.Certificate:
        """Certify a gateway that shows a code.

        The site is the code's; what the request names must be the same or the word ``gateway``.

        Raises
        ------
        RejectedError
            If the code does not allow it; the answer never says which part is wrong.
        """
        key_hash = hashlib.sha256(request.key_bytes()).digest()
        found: list[Enrolment] = []
        refusals: list[str] = []

        def step(known: Enrolment | None) -> Enrolment | None:
            found.clear()
            refusals.clear()
            if known is None or not self._open(known):
                refusals.append(_REFUSED)
                return known
            if not hmac.compare_digest(_hash(secret, known.salt), known.secret_hash):
                refusals.append(_REFUSED)
                return replace(known, attempts_left=known.attempts_left - 1)
            if known.key_hash not in {b"", key_hash}:
                refusals.append(_REFUSED)
                return known
            found.append(known)
            return replace(known, state=EnrolmentState.ENROLLED, key_hash=key_hash)

        self._store.change(ticket, step)
        if refusals:
            raise RejectedError(refusals[0])
        return self._issue(replace(request, site_id=found[0].site_id))

    def certify(
        self, site_id: SiteId, request: SiteRequest, *, zone: ZoneId | None = None
    ) -> x509.Certificate:
        """Certify a gateway whose request a person brought by hand; add it if it has a zone.

        Raises
        ------
        UnknownError
            If there is no such site.
        RejectedError
            If it is revoked, or was enrolled with another key.
        """
        key_hash = hashlib.sha256(request.key_bytes()).digest()

        def step(known: Enrolment | None) -> Enrolment:
            new = None if zone is None else self._waiting(site_id, zone)
            site = _known(known or new, site_id)
            if site.state is EnrolmentState.REVOKED:
                raise RejectedError(f"site {site_id}: is revoked; `vpp sites replace` first")
            if site.key_hash not in {b"", key_hash}:
                raise RejectedError(f"site {site_id}: another gateway has its place")
            return replace(site, state=EnrolmentState.ENROLLED, key_hash=key_hash, ticket=None)

        self._store.change(site_id, step)
        return self._issue(replace(request, site_id=site_id))

    def renew(self, site_id: SiteId, serial: str, request: SiteRequest) -> x509.Certificate:
        """Certify a gateway again that shows a certificate in force.

        Raises
        ------
        RejectedError
            If that certificate is not ours, revoked, or of another site.
        """
        self.check(site_id, serial)
        if request.site_id != site_id:
            raise RejectedError(f"request: names {request.site_id}, the certificate {site_id}")
        return self._issue(request)

    def check(self, site_id: SiteId, serial: str) -> Enrolment:
        """Whether a gateway with this certificate is its site now.

        Raises
        ------
        RejectedError
            If it is not.
        """
        issued = {one.serial for one in self._store.certificates(site_id)}
        if serial not in issued or self._revoked.is_revoked(serial):
            raise RejectedError(f"certificate {serial} of {site_id}: is revoked or not ours")
        for one in self._store.enrolments():
            if one.site_id == site_id and one.state is EnrolmentState.ENROLLED:
                return one
        raise RejectedError(f"site {site_id}: is not enrolled")

    def sites(self) -> Sequence[tuple[Enrolment, Sequence[SiteCertificate]]]:
        """All sites with their certificates."""
        return [(one, self._store.certificates(one.site_id)) for one in self._store.enrolments()]

    def _issue(self, request: SiteRequest) -> x509.Certificate:
        """Certify, and keep what was issued before anybody gets it."""
        now = self._clock.now()
        made = self._authority.issue(request, at=now, life=self._life)
        self._store.add_certificate(
            SiteCertificate(
                serial=serial_text(made.serial_number),
                site_id=request.site_id,
                issued_at=now,
                expires_at=made.not_valid_after_utc,
                receipt_key=request.receipt_key,
                certificate=made.public_bytes(Encoding.DER),
            )
        )
        return made

    def _open(self, known: Enrolment) -> bool:
        """Whether its code may still be tried."""
        expires_at = known.code_expires_at
        return (
            known.attempts_left > 0
            and known.state is not EnrolmentState.REVOKED
            and expires_at is not None
            and self._clock.now() < expires_at
        )

    def _new_code(self) -> EnrolmentCode:
        taken = {one.ticket for one in self._store.enrolments()}
        for _ in range(TICKET_DRAWS):
            ticket = int.from_bytes(self._draw(TICKET_BYTES), "big")
            if ticket not in taken:
                secret = self._draw(SECRET_BYTES)
                return EnrolmentCode(ticket=ticket, secret=secret, pin=self._authority.pin)
        raise ConflictError("too many codes are open; revoke some, or wait until they expire")

    def _waiting(
        self,
        site_id: SiteId,
        zone: ZoneId,
        code: EnrolmentCode | None = None,
        *,
        life: timedelta = CODE_LIFE,
    ) -> Enrolment:
        salt, now = self._draw(_SALT_BYTES), self._clock.now()
        return Enrolment(
            site_id=site_id,
            zone=zone,
            state=EnrolmentState.WAITING,
            ticket=None if code is None else code.ticket,
            salt=salt,
            secret_hash=b"" if code is None else _hash(code.secret, salt),
            code_expires_at=now + life,
            attempts_left=ATTEMPTS_MAX,
            key_hash=b"",
            added_at=now,
        )


def _known(known: Enrolment | None, site_id: SiteId) -> Enrolment:
    if known is None:
        raise UnknownError(f"site {site_id}: there is none; `vpp sites add {site_id}` makes it")
    return known


def _hash(secret: bytes, salt: bytes) -> bytes:
    return hashlib.scrypt(secret, salt=salt, n=_SCRYPT_N, r=8, p=1)
