"""A public key infrastructure of IEEE 2030.5 for tests: SERCA -> MICA -> devices and servers.

ECDSA P-256 with SHA-256, valid to 9999-12-31, device certificates with an empty subject and a
HardwareModuleName, every extension of ours critical, for the oldest client in the field refuses
others. Whatever a test wants to be wrong can be made wrong.
"""

import ipaddress
import itertools
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from protocols.ieee2030_5.identity import lfdi_of_certificate, sfdi_of_lfdi

FOREVER = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
BEGIN = datetime(2020, 1, 1, tzinfo=UTC)
POLICY = x509.ObjectIdentifier("1.3.6.1.4.1.40732.1.1")
HARDWARE_MODULE_NAME = x509.ObjectIdentifier("1.3.6.1.5.5.7.8.4")

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """A certificate with its key, as files.

    Attributes
    ----------
    certificate : Path
        PEM: its own certificate and the intermediate one.
    leaf : Path
        PEM: its own certificate only.
    key : Path
        PEM.
    lfdi : str
        Upper case.
    """

    certificate: Path
    leaf: Path
    key: Path
    lfdi: str

    @property
    def sfdi(self) -> int:
        """Short identifier."""
        return sfdi_of_lfdi(self.lfdi)


class Pki:
    """Makes certificates.

    Parameters
    ----------
    folder : Path
        Where the files go.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._serials = itertools.count(1)
        self._root_key = ec.generate_private_key(ec.SECP256R1())
        self._root_name = _name("SERCA")
        self._root = (self._root_name, self._root_key)
        root = self._sign(self._root_name, self._root_key, self._root, authority=True)
        self._middle_key = ec.generate_private_key(ec.SECP256R1())
        self._middle_name = _name("MICA")
        self._mica = (self._middle_name, self._middle_key)
        self.middle = self._sign(self._middle_name, self._middle_key, self._root, authority=True)
        self.serca = folder / "serca.pem"
        self.serca.write_bytes(_pem(root))
        self.mica = folder / "mica.pem"
        self.mica.write_bytes(_pem(self.middle))
        self.authorities = folder / "authorities.pem"
        self.authorities.write_bytes(_pem(root) + _pem(self.middle))

    def device(
        self,
        name: str,
        *,
        until: datetime = FOREVER,
        key: PrivateKey | None = None,
        digest: hashes.HashAlgorithm | None = None,
    ) -> Holder:
        """Certificate of a device, or of an aggregator.

        Parameters
        ----------
        name : str
            Of its files; not in the certificate.
        until : datetime
            When it expires.
        key : private key or None
            Another than P-256.
        digest : hash or None
            Another than SHA-256.
        """
        made = ec.generate_private_key(ec.SECP256R1()) if key is None else key
        module = bytes.fromhex("300f06092b0601040182be1c01") + bytes((4, 2, 0, next(self._serials)))
        module = bytes((0x30, len(module) - 2)) + module[2:]
        names = x509.SubjectAlternativeName([x509.OtherName(HARDWARE_MODULE_NAME, module)])
        certificate = self._sign(
            x509.Name([]),
            made,
            self._mica,
            names=names,
            until=until,
            digest=digest,
        )
        return self._write(name, certificate, made)

    def server(self, *hosts: str, name: str = "server", until: datetime = FOREVER) -> Holder:
        """Certificate of a server with these host names or addresses."""
        made = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName([_host(host) for host in hosts])
        certificate = self._sign(_name(name), made, self._mica, names=names, until=until)
        return self._write(name, certificate, made)

    def _write(self, name: str, certificate: x509.Certificate, key: PrivateKey) -> Holder:
        chain, leaf = self._folder / f"{name}.pem", self._folder / f"{name}-leaf.pem"
        place = self._folder / f"{name}.key"
        leaf.write_bytes(_pem(certificate))
        chain.write_bytes(_pem(certificate) + _pem(self.middle))
        place.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        der = certificate.public_bytes(serialization.Encoding.DER)
        return Holder(certificate=chain, leaf=leaf, key=place, lfdi=lfdi_of_certificate(der))

    def _sign(
        self,
        subject: x509.Name,
        key: PrivateKey,
        issuer: tuple[x509.Name, ec.EllipticCurvePrivateKey],
        *,
        authority: bool = False,
        names: x509.SubjectAlternativeName | None = None,
        until: datetime = FOREVER,
        digest: hashes.HashAlgorithm | None = None,
    ) -> x509.Certificate:
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer[0])
            .public_key(key.public_key())
            .serial_number(next(self._serials) + 1000)
            .not_valid_before(min(BEGIN, until - timedelta(days=1)))
            .not_valid_after(until)
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(_usage(authority=authority), critical=True)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer[1].public_key()),
                critical=False,
            )
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
            )
        )
        if not authority:
            policies = [x509.PolicyInformation(POLICY, None)]
            builder = builder.add_extension(x509.CertificatePolicies(policies), critical=True)
        if names is not None:
            builder = builder.add_extension(names, critical=True)
        return builder.sign(issuer[1], digest or hashes.SHA256())


def _usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        key_agreement=not authority,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
