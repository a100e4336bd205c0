"""Builds certificates: root, intermediate, the coordinator's and the gateways'.

Only what each may be: an intermediate may not make another authority, a gateway's certificate
is for clients, the coordinator's for servers and for one fixed name. Knows no files.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from protocols.identity.names import COORDINATOR_NAME, RECEIPT_KEY_OID
from protocols.vocabulary.identifiers import SiteId

ROOT_LIFE: Final = timedelta(days=20 * 365)
INTERMEDIATE_LIFE: Final = timedelta(days=5 * 365)
SERVER_LIFE: Final = timedelta(days=397)
BACKDATE: Final = timedelta(minutes=5)
"""Certificates begin a little earlier: the clock of a gateway is never quite right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuer:
    """An authority that can sign now.

    Attributes
    ----------
    certificate : x509.Certificate
        Its own.
    key : ec.EllipticCurvePrivateKey
        Decrypted.
    """

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """When a certificate holds.

    Attributes
    ----------
    start : datetime
        Aware UTC.
    life : timedelta
        From then.
    """

    start: datetime
    life: timedelta


def make_root(key: ec.EllipticCurvePrivateKey, *, name: str, period: Period) -> x509.Certificate:
    """Certify a root by itself."""
    subject = _subject(f"{name} root")
    builder = _begun(subject, subject, public=key.public_key(), period=period)
    builder = _authority(builder, path_length=1)
    return builder.sign(key, hashes.SHA256())


def make_intermediate(
    public: ec.EllipticCurvePublicKey, root: Issuer, *, name: str, period: Period
) -> x509.Certificate:
    """Certify the authority for every day."""
    subject = _subject(f"{name} issuing {period.start:%Y-%m-%d}")
    builder = _begun(subject, root.certificate.subject, public=public, period=_within(period, root))
    builder = _from(_authority(builder, path_length=0), root)
    return builder.sign(root.key, hashes.SHA256())


def make_server(
    public: ec.EllipticCurvePublicKey,
    issuer: Issuer,
    *,
    names: Sequence[x509.GeneralName],
    period: Period,
) -> x509.Certificate:
    """Certify the coordinator under its fixed name, and under further ones for browsers."""
    subject = _subject(COORDINATOR_NAME)
    builder = _begun(
        subject, issuer.certificate.subject, public=public, period=_within(period, issuer)
    )
    builder = _from(_leaf(builder, ExtendedKeyUsageOID.SERVER_AUTH), issuer)
    alternatives = x509.SubjectAlternativeName([x509.DNSName(COORDINATOR_NAME), *names])
    return builder.add_extension(alternatives, critical=False).sign(issuer.key, hashes.SHA256())


def make_site(
    public: ec.EllipticCurvePublicKey,
    issuer: Issuer,
    *,
    site_id: SiteId,
    receipt_key: bytes,
    period: Period,
) -> x509.Certificate:
    """Certify a gateway as its site, with the key its receipts are signed by."""
    builder = _begun(
        _subject(site_id),
        issuer.certificate.subject,
        public=public,
        period=_within(period, issuer),
    )
    builder = _from(_leaf(builder, ExtendedKeyUsageOID.CLIENT_AUTH), issuer)
    receipts = x509.UnrecognizedExtension(RECEIPT_KEY_OID, receipt_key)
    return builder.add_extension(receipts, critical=False).sign(issuer.key, hashes.SHA256())


def _subject(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _within(period: Period, issuer: Issuer) -> Period:
    """Nothing outlives its issuer."""
    left = issuer.certificate.not_valid_after_utc - period.start
    return Period(start=period.start, life=min(period.life, left))


def _begun(
    subject: x509.Name, issuer: x509.Name, *, public: ec.EllipticCurvePublicKey, period: Period
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(period.start - BACKDATE)
        .not_valid_after(period.start + period.life)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def _authority(builder: x509.CertificateBuilder, *, path_length: int) -> x509.CertificateBuilder:
    constraints = x509.BasicConstraints(ca=True, path_length=path_length)
    return builder.add_extension(constraints, critical=True).add_extension(
        _usage(signs_certificates=True), critical=True
    )


def _leaf(
    builder: x509.CertificateBuilder, usage: x509.ObjectIdentifier
) -> x509.CertificateBuilder:
    return (
        builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    )


def _from(builder: x509.CertificateBuilder, issuer: Issuer) -> x509.CertificateBuilder:
    identifier = issuer.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    return builder.add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier.value),
        critical=False,
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )
