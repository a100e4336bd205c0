"""Certificates for one run of the benchmark: an authority, a server, and a device each.

Made anew for every run and thrown away with its folder; never for anything that is real.
"""

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

VALID_DAYS: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A certificate and its key as files.

    Attributes
    ----------
    certificate, key : Path
        PEM files.
    fingerprint : str
        As OpenADR writes it: last ten bytes of the SHA-256 of the certificate in DER.
    """

    certificate: Path
    key: Path
    fingerprint: str


class Authority:
    """An authority that signs for one run.

    Parameters
    ----------
    folder : Path
        Where every file goes.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "benchmark authority")])
        certificate = (
            _builder(self._name, self._name, self._key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.certificate = folder / "authority.pem"
        self.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def issue(self, name: str, *, address: str | None = None) -> Identity:
        """Make a certificate with a key of its own.

        Parameters
        ----------
        name : str
            Common name, and stem of the files.
        address : str or None
            IP address of a server.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = _builder(subject, self._name, key.public_key()).add_extension(
            x509.BasicConstraints(ca=False, path_length=None), critical=True
        )
        if address is not None:
            names = [x509.IPAddress(ipaddress.ip_address(address)), x509.DNSName("localhost")]
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        certificate = builder.sign(self._key, hashes.SHA256())
        places = (self._folder / f"{name}.pem", self._folder / f"{name}.key")
        places[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        places[1].write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return Identity(
            certificate=places[0],
            key=places[1],
            fingerprint=certificate.fingerprint(hashes.SHA256())[-10:].hex(":").upper(),
        )


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    """Certificate of a few days."""
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=VALID_DAYS))
    )
