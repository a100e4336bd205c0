"""A gateway's certificate request (CSR): made on the gateway, checked by the authority.

It names the site and carries the public key of the gateway's receipts; both end up in the
certificate, and the request is signed by the key it is for.
"""

from dataclasses import dataclass
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from protocols.identity.names import RECEIPT_KEY_OID
from protocols.vocabulary.errors import ConfigError, RemoteProtocolError
from protocols.vocabulary.identifiers import SiteId, checked_name

REQUEST_BYTES_MAX: Final = 4096
RECEIPT_KEY_BYTES: Final = 32
_UNREADABLE: Final = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    InvalidSignature,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)
"""What the library raises at bytes that are no request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteRequest:
    """A request that holds together.

    Attributes
    ----------
    site_id : SiteId
        As whom it asks; the caller decides whether it may.
    public : ec.EllipticCurvePublicKey
        Of the certificate, P-256.
    receipt_key : bytes
        Ed25519 public key of receipts.
    """

    site_id: SiteId
    public: ec.EllipticCurvePublicKey
    receipt_key: bytes

    def key_bytes(self) -> bytes:
        """Both public keys, to recognise a request that is sent again."""
        spki = self.public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return spki + self.receipt_key


def make_request(
    key: ec.EllipticCurvePrivateKey, signing: ed25519.Ed25519PrivateKey, *, name: str
) -> bytes:
    """Ask for a certificate.

    Parameters
    ----------
    key : ec.EllipticCurvePrivateKey
        What the certificate is for.
    signing : ed25519.Ed25519PrivateKey
        Key of receipts; only its public half goes out.
    name : str
        The site.

    Returns
    -------
    bytes
        DER of PKCS #10.
    """
    public = signing.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    builder = x509.CertificateSigningRequestBuilder().subject_name(
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    )
    builder = builder.add_extension(
        x509.UnrecognizedExtension(RECEIPT_KEY_OID, public), critical=False
    )
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


def read_request(data: bytes) -> SiteRequest:
    """Check a request from outside.

    Parameters
    ----------
    data : bytes
        DER of PKCS #10.

    Raises
    ------
    RemoteProtocolError
        If it cannot be read, is not signed by its own key, or lacks something.
    """
    if len(data) > REQUEST_BYTES_MAX:
        raise RemoteProtocolError(f"request: is longer than {REQUEST_BYTES_MAX} bytes")
    try:
        request = x509.load_der_x509_csr(data)
        public = request.public_key()
        signed = request.is_signature_valid
        names = request.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        receipt_key = _receipt_key(request.extensions)
    except _UNREADABLE:
        raise RemoteProtocolError("request: is not a certificate request") from None
    if not isinstance(public, ec.EllipticCurvePublicKey) or public.curve.name != "secp256r1":
        raise RemoteProtocolError("request: the key must be on the curve P-256")
    if not signed:
        raise RemoteProtocolError("request: is not signed by its own key")
    if len(names) != 1 or not isinstance(names[0].value, str):
        raise RemoteProtocolError("request: needs exactly one common name")
    try:
        site_id = SiteId(checked_name(names[0].value, "common name"))
    except ConfigError as error:
        raise RemoteProtocolError(f"request: {error}") from None
    return SiteRequest(site_id=site_id, public=public, receipt_key=receipt_key)


def _receipt_key(extensions: x509.Extensions) -> bytes:
    try:
        found = extensions.get_extension_for_oid(RECEIPT_KEY_OID).value
    except x509.ExtensionNotFound:
        found = None
    if not isinstance(found, x509.UnrecognizedExtension) or len(found.value) != RECEIPT_KEY_BYTES:
        raise RemoteProtocolError("request: carries no key of receipts")
    return found.value
