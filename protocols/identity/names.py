"""What a certificate of ours must say, and the pin of an authority.

The common name of a gateway's certificate is its ``site_id``, which is its MQTT client id too;
the coordinator's certificate is for the fixed name :data:`COORDINATOR_NAME`, whatever its
address is. Called by the authority, the gateway and the borders that check a peer.
"""

import hashlib
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from protocols.vocabulary.errors import ConfigError, RemoteProtocolError
from protocols.vocabulary.identifiers import SiteId, checked_name

COORDINATOR_NAME: Final = "coordinator.vpp.internal"
"""DNS name in the coordinator's certificate; a gateway asks for it at any address."""
RECEIPT_KEY_OID: Final = x509.ObjectIdentifier("2.25.1483276011")
"""Extension with the Ed25519 public key a gateway signs its receipts by, 32 bytes.

No arc beyond 31 bits: the broker's language (Go) cannot read a certificate with a larger one."""
PIN_BYTES: Final = 10
"""80 bits: nobody finds another key with the same pin."""


def pin_of(certificate: x509.Certificate) -> bytes:
    """Pin of an authority: the first bytes of SHA-256 over its public key.

    Parameters
    ----------
    certificate : x509.Certificate
        The root.

    Returns
    -------
    bytes
        :data:`PIN_BYTES` long.

    Notes
    -----
    RFC 7469 section 2.4 takes the same bytes (SubjectPublicKeyInfo) and keeps all 32.
    """
    public = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(public).digest()[:PIN_BYTES]


def serial_text(serial: int) -> str:
    """Write a serial number the way lists and logs do: lower-case hexadecimal."""
    return f"{serial:x}"


def receipt_key_of(certificate: x509.Certificate) -> bytes:
    """Ed25519 public key by which the gateway of a certificate signs.

    Raises
    ------
    RemoteProtocolError
        If the certificate carries none.
    """
    try:
        found = certificate.extensions.get_extension_for_oid(RECEIPT_KEY_OID).value
    except (x509.ExtensionNotFound, ValueError):
        found = None
    if not isinstance(found, x509.UnrecognizedExtension):
        raise RemoteProtocolError("certificate: carries no key of receipts")
    return found.value


def site_of(certificate: x509.Certificate, *, at: datetime) -> SiteId:
    """Site a gateway's certificate is for, if it is one and holds now.

    The signature is not checked here: the TLS handshake did.

    Parameters
    ----------
    certificate : x509.Certificate
        The leaf that the peer presented.
    at : datetime
        Aware UTC.

    Raises
    ------
    RemoteProtocolError
        If it is not a gateway's certificate, or not now.
    """
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    if len(names) != 1 or not isinstance(names[0].value, str):
        raise RemoteProtocolError("certificate: needs exactly one common name")
    try:
        site_id = SiteId(checked_name(names[0].value, "common name"))
    except ConfigError as error:
        raise RemoteProtocolError(f"certificate: {error}") from None
    if not certificate.not_valid_before_utc <= at < certificate.not_valid_after_utc:
        raise RemoteProtocolError(f"certificate of {site_id}: not valid at this time")
    if not isinstance(certificate.public_key(), ec.EllipticCurvePublicKey):
        raise RemoteProtocolError(f"certificate of {site_id}: its key is not on a curve")
    try:
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except (x509.ExtensionNotFound, ValueError):
        usage = None
    if usage is None or ExtendedKeyUsageOID.CLIENT_AUTH not in usage:
        raise RemoteProtocolError(f"certificate of {site_id}: not for clients")
    return site_id
