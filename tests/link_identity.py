"""Certificates and keys of the link for tests, in the layout of a gateway's identity folder."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from edge_agent.identity.files import IdentityFiles
from protocols.identity.names import COORDINATOR_NAME, RECEIPT_KEY_OID
from protocols.identity.signing import Signer, key_id_of


class LinkAuthority:
    """A root that signs everything of one test."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name("root")
        self.root = self._sign(self._name, self._key, None, authority=True)
        self.trust = folder / "trust.pem"
        self.trust.write_bytes(self.root.public_bytes(Encoding.PEM))
        self.signing = Ed25519PrivateKey.generate()
        self.signer = Signer(self.signing.private_bytes_raw())
        self.certificate, self.key = folder / "coordinator.pem", folder / "coordinator.key"
        self.serve()

    def serve(self) -> int:
        """Write a new certificate of the coordinator; its serial."""
        key = ec.generate_private_key(ec.SECP256R1())
        made = self._sign(
            _name("coordinator"), key, COORDINATOR_NAME, usage=ExtendedKeyUsageOID.SERVER_AUTH
        )
        self.certificate.write_bytes(made.public_bytes(Encoding.PEM))
        _write(self.key, key)
        return made.serial_number

    def site(self, site_id: str) -> tuple[IdentityFiles, int]:
        """Enrol a site: its folder and its serial."""
        files = IdentityFiles(folder=self.folder / site_id)
        files.folder.mkdir(exist_ok=True)
        key = ec.generate_private_key(ec.SECP256R1())
        receipts = Ed25519PrivateKey.generate()
        made = self._sign(
            _name(site_id),
            key,
            None,
            usage=ExtendedKeyUsageOID.CLIENT_AUTH,
            receipts=receipts.public_key().public_bytes_raw(),
        )
        files.certificate.write_bytes(made.public_bytes(Encoding.PEM))
        _write(files.key, key)
        files.trust.write_bytes(self.trust.read_bytes())
        public = self.signer.public
        files.coordinator_keys.write_text(json.dumps({key_id_of(public): public.hex()}))
        _write(files.signing_key, receipts)
        return files, made.serial_number

    def _sign(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        host: str | None,
        *,
        authority: bool = False,
        usage: x509.ObjectIdentifier | None = None,
        receipts: bytes | None = None,
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        )
        if usage is not None:
            builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        if receipts is not None:
            extension = x509.UnrecognizedExtension(RECEIPT_KEY_OID, receipts)
            builder = builder.add_extension(extension, critical=False)
        if host is not None:
            names = x509.SubjectAlternativeName([x509.DNSName(host)])
            builder = builder.add_extension(names, critical=False)
        return builder.sign(self._key, hashes.SHA256())


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _write(path: Path, key: ec.EllipticCurvePrivateKey | Ed25519PrivateKey) -> None:
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
