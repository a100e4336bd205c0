"""Who a party of OpenADR is: the fingerprint of its certificate; no sockets.

Notes
-----
OpenADR 2.0b profile, security: the last ten bytes of the SHA-256 of the certificate in DER. (The
LFDI of IEEE 2030.5 is the first twenty of the same digest.)
"""

import hashlib

_FINGERPRINT_BYTES = 10


def fingerprint(certificate_der: bytes) -> str:
    """Fingerprint of a certificate, e.g. ``5C:CE:D4:5C:C0:C2:84:29:10:37``.

    Parameters
    ----------
    certificate_der : bytes
        The certificate in DER; not its PEM text and not its key.
    """
    return fingerprint_of_digest(hashlib.sha256(certificate_der).digest())


def fingerprint_of_digest(sha256: bytes) -> str:
    """Fingerprint of a certificate whose SHA-256 is known.

    Parameters
    ----------
    sha256 : bytes
        32 bytes.
    """
    return ":".join(f"{byte:02X}" for byte in sha256[-_FINGERPRINT_BYTES:])


def same_fingerprint(one: str, other: str) -> bool:
    """Whether two fingerprints are one, however they are written."""
    return _digits(one) == _digits(other) != ""


def _digits(text: str) -> str:
    return text.replace(":", "").replace(" ", "").upper()
