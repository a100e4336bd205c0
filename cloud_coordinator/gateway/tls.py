"""TLS of the coordinator's own servers: who may connect, and who it is.

IEEE 2030.5 asks for TLS 1.2 with ECDHE-ECDSA-AES128-CCM8 and P-256 certificates of one public
key infrastructure; its clients in the field know nothing newer. A peer that can gets TLS 1.3.
OpenSSL counts CCM8 as weak, so its own security level is off and the rules are checked here
instead: a certificate that is not P-256 signed with SHA-256 is turned away before a byte is
answered. Used by the servers of this room; knows neither 2030.5 nor OpenADR.
"""

import asyncio
import contextlib
import hashlib
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from weakref import WeakKeyDictionary

import structlog
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from protocols.sansio.http import PeerIdentity
from protocols.vocabulary.errors import AccessDeniedError, ConfigError

CIPHERS: Final = "ECDHE-ECDSA-AES128-CCM8:ECDHE-ECDSA-AES256-GCM-SHA384:@SECLEVEL=0"
"""Suites of TLS 1.2; those of TLS 1.3 are OpenSSL's own."""
HANDSHAKE_S: Final = 10.0
EARLY_BYTES_MAX: Final = 65_536
"""What a peer may send before it is admitted; more is not kept."""
ARRIVALS_MAX: Final = 1_000
"""Handshakes at a time; who comes then is turned away."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFiles:
    """Files of a server, all PEM.

    Attributes
    ----------
    certificate : Path
        The server's own, with the intermediate ones after it.
    key : Path
        Its private key.
    authorities : Path
        Who is trusted: the root (SERCA) and the intermediate ones (MICA), for some clients send
        their own certificate only. Without a self-signed one, the intermediate ones are anchors.
    """

    certificate: Path
    key: Path
    authorities: Path


def server_context(files: TlsFiles) -> ssl.SSLContext:
    """Context of a server that asks every client for its certificate.

    Raises
    ------
    ConfigError
        If a file is missing or does not hold what it should.

    Notes
    -----
    IEEE 2030.5-2018, 6.7 (TLS) and 6.11 (certificates).
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE
    context.verify_mode = ssl.CERT_REQUIRED
    _load(context, files)
    return context


def _load(context: ssl.SSLContext, files: TlsFiles) -> None:
    """Give a context its certificates."""
    try:
        context.load_cert_chain(files.certificate, files.key)
    except (OSError, ssl.SSLError) as error:
        message = f"{files.certificate}, {files.key}: certificate and key: {_cause(error)}"
        raise ConfigError(message) from error
    try:
        context.load_verify_locations(files.authorities)
        trusted = x509.load_pem_x509_certificates(files.authorities.read_bytes())
    except (OSError, ssl.SSLError, ValueError) as error:
        message = f"{files.authorities}: certificates of authorities: {_cause(error)}"
        raise ConfigError(message) from error
    if not any(authority.issuer == authority.subject for authority in trusted):
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN


def client_context(files: TlsFiles) -> ssl.SSLContext:
    """Context with which a server calls back to its clients, as itself.

    Raises
    ------
    ConfigError
        If a file is missing or does not hold what it should.

    Notes
    -----
    IEEE 2030.5-2018, 8.6: a client's certificate names no host, so only its chain is checked.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.check_hostname = False
    _load(context, files)
    return context


def identity(certificate: bytes) -> PeerIdentity:
    """Who a certificate is.

    Parameters
    ----------
    certificate : bytes
        In DER.

    Notes
    -----
    IEEE 2030.5-2018, 6.3.4 (LFDI: the first 160 bits of the SHA-256); OpenADR 2.0b, 10.6
    (fingerprint: the last 10 bytes).
    """
    digest = hashlib.sha256(certificate).digest()
    return PeerIdentity(
        lfdi=digest[:20].hex().upper(),
        fingerprint=digest[-10:].hex(":").upper(),
        certificate_sha256=digest,
    )


def check_certificate(certificate: bytes) -> None:
    """Hold a certificate to the standard's only algorithm.

    Raises
    ------
    AccessDeniedError
        If it is not a P-256 key in a certificate signed with ECDSA and SHA-256.

    Notes
    -----
    IEEE 2030.5-2018, 6.11.2.
    """
    try:
        read = x509.load_der_x509_certificate(certificate)
        key, signed_with = read.public_key(), read.signature_hash_algorithm
    except (ValueError, UnsupportedAlgorithm) as error:
        raise AccessDeniedError(f"certificate cannot be read: {error}") from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise AccessDeniedError("certificate's key is not on P-256")
    if not isinstance(signed_with, hashes.SHA256):
        raise AccessDeniedError("certificate is not signed with SHA-256")


class TlsDoor:
    """Listens, does the handshake, and hands admitted connections to a protocol.

    A connection that fails is one log line (``tls.refused``) and never reaches the protocol.

    Parameters
    ----------
    context : SSLContext
        As :func:`server_context` makes it.
    behind : callable
        Makes the protocol that an admitted connection is given to.
    check : callable
        Holds a client's certificate (DER) to the rules; raises AccessDeniedError.
    """

    def __init__(
        self,
        context: ssl.SSLContext,
        behind: Callable[[], asyncio.BaseProtocol],
        *,
        check: Callable[[bytes], None] = check_certificate,
    ) -> None:
        self._check = check
        self._context = context
        self._behind = behind
        self._known: WeakKeyDictionary[asyncio.BaseTransport, PeerIdentity] = WeakKeyDictionary()
        self._arriving: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def open(self, host: str, port: int) -> int:
        """Listen; returns the port.

        Raises
        ------
        ConfigError
            If the address cannot be had.
        """
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(
                lambda: _Arrival(self._arrive), host, port, backlog=1024
            )
        except OSError as error:
            raise ConfigError(f"address {host}:{port}: {error.strerror or error}") from error
        return int(self._server.sockets[0].getsockname()[1])

    def identity(self, transport: asyncio.BaseTransport | None) -> PeerIdentity | None:
        """Who is at the other end of an admitted connection."""
        return None if transport is None else self._known.get(transport)

    async def close(self) -> None:
        """Listen no more and give up handshakes; admitted connections are not touched."""
        if self._server is not None:
            self._server.close()
        for task in tuple(self._arriving):
            task.cancel()
        if self._arriving:
            await asyncio.wait(tuple(self._arriving))

    def _arrive(self, transport: asyncio.Transport) -> None:
        if len(self._arriving) >= ARRIVALS_MAX:
            transport.abort()
            return
        task = asyncio.get_running_loop().create_task(self._handshake(transport))
        self._arriving.add(task)
        task.add_done_callback(self._arriving.discard)

    async def _handshake(self, plain: asyncio.Transport) -> None:
        where = plain.get_extra_info("peername")
        waiting = _Waiting()
        try:
            secure = await asyncio.get_running_loop().start_tls(
                plain,
                waiting,
                self._context,
                server_side=True,
                ssl_handshake_timeout=HANDSHAKE_S,
            )
            if secure is None:
                raise ConnectionAbortedError("gone during the handshake")
            self._admit(secure, waiting)
        except ConnectionError as error:
            plain.abort()
            _log.info("tls.abandoned", peer=_shown(where), cause=_cause(error))
        except (OSError, AccessDeniedError) as error:
            plain.abort()
            _log.warning("tls.refused", peer=_shown(where), cause=_cause(error))
        except asyncio.CancelledError:
            plain.abort()
            raise

    def _admit(self, secure: asyncio.Transport, waiting: "_Waiting") -> None:
        certificate = secure.get_extra_info("ssl_object").getpeercert(binary_form=True)
        if certificate is None:
            secure.abort()
            raise AccessDeniedError("no certificate")
        try:
            self._check(certificate)
        except AccessDeniedError:
            secure.abort()
            raise
        peer = self._known[secure] = identity(certificate)
        cipher = secure.get_extra_info("cipher")
        _log.debug("tls.admitted", lfdi=peer.lfdi, version=cipher[1], cipher=cipher[0])
        protocol = self._behind()
        assert isinstance(protocol, asyncio.Protocol)
        secure.set_protocol(protocol)
        protocol.connection_made(secure)
        waiting.pass_on(protocol)


class _Arrival(asyncio.Protocol):
    """A plain connection, held still until its handshake begins."""

    def __init__(self, arrived: Callable[[asyncio.Transport], None]) -> None:
        self._arrived = arrived

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        assert isinstance(transport, asyncio.Transport)
        transport.pause_reading()
        self._arrived(transport)


class _Waiting(asyncio.Protocol):
    """Keeps what a peer says between the end of its handshake and its admission."""

    def __init__(self) -> None:
        self._early = bytearray()
        self._lost: tuple[Exception | None] | None = None

    def data_received(self, data: bytes) -> None:
        """Keep it."""
        self._early += data[: EARLY_BYTES_MAX - len(self._early)]

    def connection_lost(self, exc: Exception | None) -> None:
        """Remember it."""
        self._lost = (exc,)

    def pass_on(self, protocol: asyncio.Protocol) -> None:
        """Tell the protocol what it has missed."""
        if self._early:
            protocol.data_received(bytes(self._early))
        if self._lost is not None:
            with contextlib.suppress(ConnectionError):
                protocol.connection_lost(self._lost[0])


def _cause(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return str(error.verify_message)
    if isinstance(error, ssl.SSLError):
        return str(error.reason or error) or type(error).__name__
    if isinstance(error, OSError):
        return str(error.strerror or error) or type(error).__name__
    return str(error)


def _shown(where: object) -> str:
    return ":".join(str(part) for part in where[:2]) if isinstance(where, tuple) else "?"
