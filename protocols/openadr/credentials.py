"""Whose certificate signs and whose is believed, from PEM texts; no files, no sockets.

Notes
-----
OpenADR 2.0b profile, security.
"""

from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from protocols.openadr.identity import fingerprint, same_fingerprint
from protocols.openadr.signature import Signatory
from protocols.vocabulary.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """Whose signature is believed.

    Attributes
    ----------
    peer_fingerprint : str or None
        The only certificate that may sign; None for any that an authority issued.
    authorities : tuple of certificates
        Who may issue one.
    """

    peer_fingerprint: str | None
    authorities: tuple[x509.Certificate, ...]

    def believes(self, certificate_der: bytes) -> bool:
        """Whether a certificate may speak for the peer."""
        if self.peer_fingerprint is not None:
            return same_fingerprint(fingerprint(certificate_der), self.peer_fingerprint)
        certificate = x509.load_der_x509_certificate(certificate_der)
        return any(_is_issued_by(certificate, one) for one in self.authorities)


def read_trust(authorities_pem: bytes, peer_fingerprint: str | None) -> Trust:
    """Read whose signature is believed.

    Raises
    ------
    ConfigError
        If there are no certificates in the text.
    """
    try:
        authorities = tuple(x509.load_pem_x509_certificates(authorities_pem))
    except ValueError as error:
        raise ConfigError(str(error)) from error
    return Trust(peer_fingerprint=peer_fingerprint, authorities=authorities)


def read_signatory(certificate_pem: bytes, key_pem: bytes) -> Signatory:
    """Read who signs: the holder of the first certificate of a text.

    Raises
    ------
    ConfigError
        If a text cannot be read, or the key is neither ECDSA nor RSA.
    """
    try:
        certificate = x509.load_pem_x509_certificate(certificate_pem)
        key = load_pem_private_key(key_pem, None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ConfigError(str(error)) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise ConfigError("use an ECDSA or an RSA key")
    return Signatory(key=key, certificate=certificate)


def _is_issued_by(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True
