"""Enrolment over HTTPS in the manner of EST, on a socket of its own: TLS 1.3 only.

``GET cacerts`` is open, ``POST simpleenroll`` needs a code (HTTP Basic: ticket and secret),
``POST simplereenroll``, ``GET /vpp/site`` and ``POST /vpp/commissioning`` (a signed record) need a
gateway's certificate. Every refusal is one line of problem+json. A revoked certificate is
refused at its next request.

Notes
-----
RFC 7030, sections 4.1 and 4.2; bodies are base64 of PKCS #10 and of certs-only PKCS #7.
"""

import asyncio
import base64
import binascii
import json
import ssl
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.hazmat.primitives.serialization.pkcs7 import serialize_certificates

from cloud_coordinator.services.commissioning import CommissioningRecords, take_record
from cloud_coordinator.services.enrolment import Enrolling, Enrolment
from cloud_coordinator.services.errors import RejectedError
from protocols.identity.codes import SECRET_BYTES, TICKET_BYTES
from protocols.identity.names import serial_text, site_of
from protocols.identity.records import RECORD_BYTES_MAX
from protocols.identity.requests import REQUEST_BYTES_MAX, SiteRequest, read_request
from protocols.vocabulary.errors import ConfigError, RemoteProtocolError, StoreError, VppError
from protocols.vocabulary.identifiers import SiteId
from protocols.vocabulary.intervals import Clock

BODY_BYTES_MAX: Final = 2 * REQUEST_BYTES_MAX
REQUESTS_PER_MINUTE: Final = 30
ADDRESSES_MAX: Final = 4096
"""Peers whose rate is remembered; the longest silent is forgotten first."""
PKCS7: Final = "application/pkcs7-mime; smime-type=certs-only"
_MINUTE_NS: Final = 60 * 10**9


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolmentOffer:
    """What gateways are told.

    Attributes
    ----------
    chain : sequence of x509.Certificate
        Intermediate and root.
    coordinator_keys : callable
        The file of public keys, as it is now.
    brokers : tuple of str
        Where the link is.
    records : CommissioningRecords
        Where records of installations are kept.
    """

    chain: Sequence[x509.Certificate]
    coordinator_keys: Callable[[], bytes]
    brokers: tuple[str, ...]
    records: CommissioningRecords


class RateLimit:
    """Counts requests of each address; bounded.

    Parameters
    ----------
    clock : Clock
        Time.
    per_minute : int
        Most requests of one address within a minute.
    """

    def __init__(self, clock: Clock, per_minute: int = REQUESTS_PER_MINUTE) -> None:
        self._clock = clock
        self._per_minute = per_minute
        self._seen: OrderedDict[str, tuple[int, int]] = OrderedDict()

    def allows(self, address: str) -> bool:
        """Count a request, and say whether it may go on."""
        now_ns = self._clock.monotonic_ns()
        start_ns, count = self._seen.pop(address, (now_ns, 0))
        if now_ns - start_ns >= _MINUTE_NS:
            start_ns, count = now_ns, 0
        self._seen[address] = (start_ns, count + 1)
        while len(self._seen) > ADDRESSES_MAX:
            self._seen.popitem(last=False)
        return count < self._per_minute


def enrolment_tls(certificate: Path, key: Path, trust: Path) -> ssl.SSLContext:
    """TLS of the enrolment socket: 1.3 only, a gateway's certificate if it has one.

    Raises
    ------
    ConfigError
        If a file cannot be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_OPTIONAL
    show_certificate(context, certificate, key)
    try:
        context.load_verify_locations(trust)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"{trust}: {error}") from None
    return context


def show_certificate(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    """Show a certificate to new connections.

    Raises
    ------
    ConfigError
        If a file cannot be used; the former one is shown on.
    """
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"{certificate} or {key}: {error}") from None


def create_enrolment_app(
    enrolling: Enrolling, offer: EnrolmentOffer, *, clock: Clock
) -> web.Application:
    """Make the application; it holds nothing before it is started."""
    desk = _Desk(enrolling, offer, clock)
    app = web.Application(middlewares=[_border(RateLimit(clock))], client_max_size=RECORD_BYTES_MAX)
    app.router.add_get("/.well-known/est/cacerts", desk.cacerts)
    app.router.add_post("/.well-known/est/simpleenroll", desk.enrol)
    app.router.add_post("/.well-known/est/simplereenroll", desk.renew)
    app.router.add_get("/.well-known/vpp/site", desk.site)
    app.router.add_post("/.well-known/vpp/commissioning", desk.commissioning)
    return app


class _Desk:
    """The handlers."""

    def __init__(self, enrolling: Enrolling, offer: EnrolmentOffer, clock: Clock) -> None:
        self._enrolling = enrolling
        self._offer = offer
        self._clock = clock

    async def cacerts(self, _request: web.Request) -> web.Response:
        """Root and intermediate."""
        return _certificates(self._offer.chain)

    async def enrol(self, request: web.Request) -> web.Response:
        """Certify for a code; the hash of the code is computed beside the loop."""
        ticket, secret = _credentials(request)
        asked = await _request_in(request)
        made = await asyncio.to_thread(self._enrolling.enrol, ticket, secret, asked)
        return _certificates([made, self._offer.chain[0]])

    async def renew(self, request: web.Request) -> web.Response:
        """Certify again."""
        site_id, serial = _names(self._peer(request))
        asked = await _request_in(request)
        made = await asyncio.to_thread(self._enrolling.renew, site_id, serial, asked)
        return _certificates([made, self._offer.chain[0]])

    async def site(self, request: web.Request) -> web.Response:
        """Say what a gateway needs to know beside its certificate."""
        site_id, serial = _names(self._peer(request))
        found: Enrolment = await asyncio.to_thread(self._enrolling.check, site_id, serial)
        return web.json_response(
            {
                "site_id": found.site_id,
                "zone": found.zone,
                "brokers": list(self._offer.brokers),
                "coordinator_keys": json.loads(self._offer.coordinator_keys()),
            }
        )

    async def commissioning(self, request: web.Request) -> web.Response:
        """Keep the signed record of an installation."""
        peer = self._peer(request)
        site_id, serial = _names(peer)
        await asyncio.to_thread(self._enrolling.check, site_id, serial)
        document = await request.read()
        await asyncio.to_thread(
            take_record, self._offer.records, site_id, document, certificate=peer.certificate
        )
        return web.json_response({"site_id": site_id, "bytes": len(document)})

    def _peer(self, request: web.Request) -> "_Peer":
        """Site and certificate that the TLS handshake checked."""
        transport = request.transport
        link = None if transport is None else transport.get_extra_info("ssl_object")
        der = None if link is None else link.getpeercert(binary_form=True)
        if not der:
            raise RejectedError("certificate: this needs the gateway's own (mutual TLS)")
        try:
            certificate = x509.load_der_x509_certificate(der)
        except ValueError:
            raise RejectedError("certificate: cannot be read") from None
        site_id = site_of(certificate, at=self._clock.now())
        return _Peer(site_id=site_id, certificate=certificate)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Peer:
    """A gateway by its certificate."""

    site_id: SiteId
    certificate: x509.Certificate


def _names(peer: _Peer) -> tuple[SiteId, str]:
    """Site and serial number."""
    return peer.site_id, serial_text(peer.certificate.serial_number)


def _credentials(request: web.Request) -> tuple[int, bytes]:
    """Ticket and secret of a code."""
    try:
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        login, _, password = base64.b64decode(given, validate=True).decode("ascii").partition(":")
        ticket, secret = int(login), bytes.fromhex(password)
    except ValueError:  # of base64 and ASCII too
        raise RejectedError("code: send ticket and secret as HTTP Basic") from None
    if scheme.lower() != "basic":
        raise RejectedError("code: send ticket and secret as HTTP Basic")
    if not 0 <= ticket < 1 << (8 * TICKET_BYTES) or len(secret) != SECRET_BYTES:
        raise RejectedError("code: ticket or secret has the wrong length")
    return ticket, secret


async def _request_in(request: web.Request) -> SiteRequest:
    body = await request.read()
    if len(body) > BODY_BYTES_MAX:
        raise RemoteProtocolError(f"request: is longer than {BODY_BYTES_MAX} bytes")
    try:
        data = base64.b64decode(b"".join(body.split()), validate=True)
    except (binascii.Error, ValueError):
        raise RemoteProtocolError("request: is not base64") from None
    return read_request(data)


def _certificates(certificates: Sequence[x509.Certificate]) -> web.Response:
    text = base64.encodebytes(serialize_certificates(list(certificates), Encoding.DER))
    headers = {"Content-Type": PKCS7, "Content-Transfer-Encoding": "base64"}
    return web.Response(body=text, headers=headers)


def _border(limit: RateLimit) -> Middleware:
    """Turn every refusal into one line."""

    @web.middleware
    async def answer(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not limit.allows(request.remote or ""):
            return _problem(429, "rate", "too many requests from this address; wait a minute")
        try:
            return await handler(request)
        except VppError as error:
            return _refusal(error)
        except web.HTTPException as error:
            return _problem(error.status, "http", error.reason)

    return answer


def _refusal(error: VppError) -> web.Response:
    """Say what is wrong; what is wrong with us is not told."""
    if isinstance(error, RejectedError):
        return _problem(403, "refused", str(error))
    if isinstance(error, RemoteProtocolError):
        return _problem(400, "malformed", str(error))
    if isinstance(error, StoreError | ConfigError):
        return _problem(503, "store", "the coordinator cannot answer now; try again")
    return _problem(409, "conflict", str(error))


def _problem(status: int, slug: str, detail: str) -> web.Response:
    body = {"type": f"/docs#{slug}", "title": slug, "status": status, "detail": detail}
    return web.json_response(body, status=status, content_type="application/problem+json")
