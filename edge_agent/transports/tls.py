"""TLS of the gateway, as client and as server; its contexts are those of IEEE 2030.5.

The standard's clients and servers speak TLS 1.2 with ECDHE-ECDSA-AES128-CCM8 and certificates
on P-256 signed with SHA-256; a peer that can gets TLS 1.3. OpenSSL counts CCM8 as weak, so its
own security level is off and the rules are checked here: a peer with another kind of
certificate fails the handshake before a byte is exchanged. Knows no protocol above.
"""

import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from protocols.vocabulary.errors import ConfigError

CIPHERS: Final = "ECDHE-ECDSA-AES128-CCM8:ECDHE-ECDSA-AES256-GCM-SHA384:@SECLEVEL=0"
"""Suites of TLS 1.2; those of TLS 1.3 are OpenSSL's own."""


def client_context(
    certificate: Path, key: Path, authorities: Path, *, seen: Callable[[bytes], None]
) -> ssl.SSLContext:
    """Context of calls to a server; the server's name must be in its certificate.

    Parameters
    ----------
    certificate, key : Path
        Our own, PEM, with the intermediate certificates after it.
    authorities : Path
        Certificates that the server's must lead to, PEM.
    seen : callable
        Is told the server's certificate (DER) once the handshake is done.

    Raises
    ------
    ConfigError
        If a file cannot be used.

    Notes
    -----
    IEEE 2030.5-2018, 6.7 (TLS) and 6.11 (certificates).
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    load(context, certificate, key, authorities=authorities, ciphers=CIPHERS)
    context.sslobject_class = _strict(seen)
    return context


def server_context(
    certificate: Path, key: Path, authorities: Path, *, admits: Callable[[bytes], bool]
) -> ssl.SSLContext:
    """Context of a service of ours that asks every caller for its certificate.

    Parameters
    ----------
    certificate, key : Path
        Our own, PEM.
    authorities : Path
        Certificates that a caller's must lead to: the root and the intermediate ones, for some
        callers send their own certificate only.
    admits : callable
        Whether a certificate (DER) of these authorities may call.

    Raises
    ------
    ConfigError
        If a file cannot be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    load(context, certificate, key, authorities=authorities, ciphers=CIPHERS)
    context.verify_mode = ssl.CERT_REQUIRED
    context.sslobject_class = _choosy(admits)
    return context


def own_certificate(path: Path) -> bytes:
    """First certificate of a PEM file, in DER.

    Raises
    ------
    ConfigError
        If there is none, or it is not of the standard's kind.
    """
    try:
        first = x509.load_pem_x509_certificates(path.read_bytes())[0]
    except (OSError, ValueError, IndexError) as error:
        raise ConfigError(f"{path}: {error}") from error
    wrong = _fault(first)
    if wrong:
        raise ConfigError(f"{path}: {wrong}")
    return first.public_bytes(Encoding.DER)


def load(
    context: ssl.SSLContext, certificate: Path, key: Path, *, authorities: Path, ciphers: str
) -> None:
    """Give a context of ours its certificates: TLS 1.2 or better, with these suites of 1.2.

    Without a self-signed one among the authorities, those that are there are anchors.

    Raises
    ------
    ConfigError
        If a file cannot be used.
    """
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(ciphers)
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"{certificate} with {key}: {error}") from error
    try:
        context.load_verify_locations(authorities)
        trusted = x509.load_pem_x509_certificates(authorities.read_bytes())
    except (OSError, ValueError, ssl.SSLError) as error:
        raise ConfigError(f"{authorities}: {error}") from error
    if not any(one.issuer == one.subject for one in trusted):
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN


def _strict(seen: Callable[[bytes], None]) -> type[ssl.SSLObject]:
    """Make a TLS that ends a handshake with the wrong kind of certificate."""

    class Strict(ssl.SSLObject):
        def do_handshake(self) -> None:
            super().do_handshake()
            seen(_checked(self.getpeercert(binary_form=True)))

    return Strict


def _choosy(admits: Callable[[bytes], bool]) -> type[ssl.SSLObject]:
    """Make a TLS that ends a handshake with whom it does not admit."""

    class Choosy(ssl.SSLObject):
        def do_handshake(self) -> None:
            super().do_handshake()
            if not admits(_checked(self.getpeercert(binary_form=True))):
                raise ssl.SSLCertVerificationError("certificate of somebody else")

    return Choosy


def _checked(certificate: bytes | None) -> bytes:
    """Certificate of a peer if it is of the standard's kind."""
    if certificate is None:
        raise ssl.SSLCertVerificationError("no certificate")
    try:
        wrong = _fault(x509.load_der_x509_certificate(certificate))
    except ValueError as error:
        raise ssl.SSLCertVerificationError(f"certificate cannot be read: {error}") from error
    if wrong:
        raise ssl.SSLCertVerificationError(wrong)
    return certificate


def _fault(certificate: x509.Certificate) -> str:
    """Say what is wrong with a certificate's algorithms, "" if nothing is."""
    try:
        key = certificate.public_key()
        signed_with = certificate.signature_hash_algorithm
    except (ValueError, UnsupportedAlgorithm) as error:
        return f"certificate's algorithms are unknown: {error}"
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        return "certificate's key is not on P-256"
    if not isinstance(signed_with, hashes.SHA256):
        return "certificate is not signed with SHA-256"
    return ""
