"""TLS and signatures of a VTN from its files: ECDSA or RSA, TLS 1.2 or better.

Notes
-----
OpenADR 2.0b profile, security: TLS 1.2 with ECDHE-ECDSA-AES128-SHA256 or an RSA suite; P-256 or
RSA of at least 2048 bits.
"""

import ssl
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from cloud_coordinator.gateway.tls import TlsFiles, server_context
from protocols.openadr.credentials import read_signatory
from protocols.openadr.signature import Signatory
from protocols.vocabulary.errors import AccessDeniedError, ConfigError

CIPHERS: Final = (
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-SHA256:"
    "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-AES128-SHA256"
)
RSA_BITS_MIN: Final = 2048
EC_BITS_MIN: Final = 256


def vtn_context(files: TlsFiles) -> ssl.SSLContext:
    """Context of a VTN that asks every VEN for its certificate.

    Raises
    ------
    ConfigError
        If a file is missing or does not hold what it should.
    """
    context = server_context(files)
    context.set_ciphers(CIPHERS)
    return context


def push_context(files: TlsFiles) -> ssl.SSLContext:
    """Context of a VTN that calls a VEN; a VEN's certificate names no host.

    Raises
    ------
    ConfigError
        If a file is missing or does not hold what it should.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = False
    try:
        context.load_cert_chain(files.certificate, files.key)
        context.load_verify_locations(files.authorities)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"{files.certificate}: {error}") from error
    return context


def check_strength(certificate: bytes) -> None:
    """Refuse a weak certificate.

    Raises
    ------
    AccessDeniedError
        If its key is neither of at least 2048 bits RSA nor of at least 256 bits ECDSA.
    """
    try:
        key = x509.load_der_x509_certificate(certificate).public_key()
    except (ValueError, UnsupportedAlgorithm) as error:
        raise AccessDeniedError(f"certificate cannot be read: {error}") from error
    strong = (isinstance(key, rsa.RSAPublicKey) and key.key_size >= RSA_BITS_MIN) or (
        isinstance(key, ec.EllipticCurvePublicKey) and key.key_size >= EC_BITS_MIN
    )
    if not strong:
        raise AccessDeniedError("certificate's key is too weak")


def signatory_of(files: TlsFiles) -> Signatory:
    """Who signs payloads: the holder of the server's own certificate.

    Raises
    ------
    ConfigError
        If a file is missing or does not hold what it should.
    """
    try:
        return read_signatory(files.certificate.read_bytes(), files.key.read_bytes())
    except (OSError, ConfigError) as error:
        raise ConfigError(f"{files.certificate}, {files.key}: {error}") from error
