"""XML signature of OpenADR payloads, with protection against replay; no clock, no trust.

A signature is detached: it stands in oadrPayload before oadrSignedObject and signs that and its
own ReplayProtect (time and nonce). Verification proves that the holder of the certificate said
this, lately and once; *whether that certificate may speak* is the caller's question, who compares
the fingerprint. What is decoded is what was signed, never the document around it.

Notes
-----
OpenADR 2.0b profile, security, XML signatures; W3C XML Signature, 2nd edition.
"""

import binascii
from base64 import b64decode
from collections.abc import Container
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree
from signxml import (  # type: ignore[attr-defined]
    DigestAlgorithm,
    SignatureConfiguration,
    SignatureMethod,
    XMLSigner,
    XMLVerifier,
    methods,
)
from signxml.algorithms import CanonicalizationMethod
from signxml.exceptions import SignXMLException

from protocols.openadr.codes import PayloadError, ResponseCode
from protocols.openadr.durations import format_instant, parse_instant
from protocols.openadr.identity import fingerprint
from protocols.openadr.messages.payload import Payload
from protocols.openadr.xml import (
    PAYLOAD_TAG,
    SIGNED_OBJECT_ID,
    SIGNED_OBJECT_TAG,
    from_signed_object,
    to_element,
)
from protocols.sansio.xml import (
    DEFAULT_LIMITS,
    XmlElement,
    XmlLimits,
    new_element,
    parse_xml,
    set_text,
    to_bytes,
)
from protocols.vocabulary.errors import RemoteProtocolError

_DS = "{http://www.w3.org/2000/09/xmldsig#}"
_DSP_NAMESPACE = "http://openadr.org/oadr-2.0b/2012/07/xmldsig-properties"
_DSP = f"{{{_DSP_NAMESPACE}}}"
_REFERENCES = 2
_MOST_ELEMENTS = 64
_RSA_BITS_MIN = 2048
_EC_BITS_MIN = 256
_NONCE_MAX = 256
_METHODS = frozenset(
    {
        SignatureMethod.ECDSA_SHA256,
        SignatureMethod.ECDSA_SHA384,
        SignatureMethod.ECDSA_SHA512,
        SignatureMethod.RSA_SHA256,
        SignatureMethod.RSA_SHA384,
        SignatureMethod.RSA_SHA512,
    }
)
_DIGESTS = frozenset({DigestAlgorithm.SHA256, DigestAlgorithm.SHA384, DigestAlgorithm.SHA512})

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Signatory:
    """Who signs.

    Attributes
    ----------
    key : PrivateKey
        ECDSA P-256 (or RSA of at least 2048 bits).
    certificate : x509.Certificate
        Of that key.
    """

    key: PrivateKey
    certificate: x509.Certificate


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedPayload:
    """A payload whose signature holds.

    Attributes
    ----------
    message : Payload
        What was signed.
    certificate_der : bytes
        The certificate that signed it; the caller decides whether that one may.
    fingerprint : str
        Of that certificate.
    signed_at : datetime
        UTC, by the signer's clock.
    nonce : str
        Must not be taken again while `signed_at` is fresh.
    """

    message: Payload
    certificate_der: bytes
    fingerprint: str
    signed_at: datetime
    nonce: str


class NonceBook:
    """Nonces that were taken, for as long as their messages are fresh.

    Parameters
    ----------
    window : timedelta
        How long a signed message is fresh, either side of now.
    most : int
        How many are kept; more than that in a window are refused.
    """

    def __init__(self, window: timedelta, *, most: int = 100_000) -> None:
        self._window = window
        self._most = most
        self._taken: dict[str, datetime] = {}

    def __contains__(self, nonce: object) -> bool:
        """Whether a nonce was taken, or no more can be remembered."""
        return nonce in self._taken or len(self._taken) >= self._most

    def take(self, payload: SignedPayload, now: datetime) -> None:
        """Remember the nonce of a payload, and forget those that are stale anyhow."""
        if len(self._taken) * 2 >= self._most or len(self._taken) % 256 == 0:
            oldest = now - self._window
            self._taken = {n: at for n, at in self._taken.items() if at >= oldest}
        self._taken[payload.nonce] = payload.signed_at


def sign(message: Payload, signatory: Signatory, *, now: datetime, nonce: str) -> bytes:
    """Signed document of a payload.

    Parameters
    ----------
    message : Payload
        What to say.
    signatory : Signatory
        Who says it.
    now : datetime
        Aware; goes into ReplayProtect.
    nonce : str
        Drawn by the caller, new for each message.

    Raises
    ------
    LocalProtocolError
        If the payload cannot be written.
    """
    payload = to_element(message)
    (signed,) = payload
    elliptic = isinstance(signatory.key, ec.EllipticCurvePrivateKey)
    signer = XMLSigner(
        method=methods.detached,
        signature_algorithm=(
            SignatureMethod.ECDSA_SHA256 if elliptic else SignatureMethod.RSA_SHA256
        ),
        digest_algorithm=DigestAlgorithm.SHA256,
        c14n_algorithm=CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0,
    )
    signature = signer.sign(
        signed,
        key=signatory.key,
        cert=[signatory.certificate],
        reference_uri=f"#{SIGNED_OBJECT_ID}",
        signature_properties=cast("etree._Element", _replay_protect(now, nonce)),
    )
    cast("etree._Element", payload).insert(0, signature)
    return to_bytes(payload)


def _replay_protect(now: datetime, nonce: str) -> XmlElement:
    """Time and nonce to sign."""
    protect = new_element(f"{_DSP}ReplayProtect", prefixes={"dsp": _DSP_NAMESPACE})
    set_text(new_element(f"{_DSP}timestamp", parent=protect), format_instant(now))
    set_text(new_element(f"{_DSP}nonce", parent=protect), nonce)
    return protect


def verify(
    data: bytes,
    *,
    now: datetime,
    window: timedelta,
    seen: Container[str],
    limits: XmlLimits = DEFAULT_LIMITS,
) -> SignedPayload:
    """Payload of a signed document.

    Parameters
    ----------
    data : bytes
        The whole document.
    now : datetime
        Aware; also the time at which the certificate must be valid.
    window : timedelta
        How far the signer's time may be from now, either side.
    seen : container of str
        Nonces that were taken before (:class:`NonceBook`).
    limits : XmlLimits
        How much is read.

    Raises
    ------
    PayloadError
        If it is not signed, or the signature does not hold, is stale or is repeated.
    """
    try:
        root = parse_xml(data, limits=limits)
    except RemoteProtocolError as error:
        raise PayloadError(str(error)) from error
    certificate = _signing_certificate(_signature(root))
    verified = _verify(root, certificate, now)
    signed = [one for one in verified if one.tag == SIGNED_OBJECT_TAG]
    protects = [inner for one in verified for inner in _all(one, f"{_DSP}ReplayProtect")]
    if len(signed) != 1 or len(protects) != 1:
        raise _refusal("the signature is not over oadrSignedObject and ReplayProtect")
    signed_at, nonce = _freshness(protects[0])
    if abs(now - signed_at) > window:
        raise _refusal(f"signed at {format_instant(signed_at)}, which is not fresh")
    if nonce in seen:
        raise _refusal("the nonce was used before")
    der = certificate.public_bytes(Encoding.DER)
    return SignedPayload(
        message=from_signed_object(signed[0]),
        certificate_der=der,
        fingerprint=fingerprint(der),
        signed_at=signed_at,
        nonce=nonce,
    )


def _refusal(detail: str) -> PayloadError:
    return PayloadError(f"signature: {detail}", code=ResponseCode.COMPLIANCE)


def _all(element: XmlElement, name: str) -> list[XmlElement]:
    """Elements of a name at or below another."""
    return cast("list[XmlElement]", list(cast("etree._Element", element).iter(name)))


def _signature(root: XmlElement) -> XmlElement:
    """Find the one signature of a payload, of a size that is worth checking."""
    signatures = [one for one in root if one.tag == f"{_DS}Signature"]
    if root.tag != PAYLOAD_TAG or len(signatures) != 1:
        raise _refusal("there is not exactly one in oadrPayload")
    if len(_all(root, f"{_DS}Signature")) != 1:
        raise _refusal("there is another inside")
    if len(_all(signatures[0], "*")) > _MOST_ELEMENTS:
        raise _refusal("it has too many parts")
    if len(_all(signatures[0], f"{_DS}Reference")) != _REFERENCES:
        raise _refusal("it does not refer to two things")
    return signatures[0]


def _signing_certificate(signature: XmlElement) -> x509.Certificate:
    """Certificate that a signature names first; of a key that is strong enough."""
    texts = [one.text or "" for one in _all(signature, f"{_DS}X509Certificate")]
    if not texts:
        raise _refusal("it names no certificate")
    try:
        certificate = x509.load_der_x509_certificate(b64decode("".join(texts[0].split())))
        key = certificate.public_key()
    except (ValueError, binascii.Error, UnsupportedAlgorithm) as error:
        raise _refusal(f"its certificate is unreadable: {error}") from error
    strong = (isinstance(key, rsa.RSAPublicKey) and key.key_size >= _RSA_BITS_MIN) or (
        isinstance(key, ec.EllipticCurvePublicKey) and key.key_size >= _EC_BITS_MIN
    )
    if not strong:
        raise _refusal("its key is too weak")
    return certificate


def _verify(root: XmlElement, certificate: x509.Certificate, now: datetime) -> list[XmlElement]:
    """Check the signature; returns what it is over, as the signer wrote it."""
    config = SignatureConfiguration(
        require_x509=True,
        location="./",
        expect_references=_REFERENCES,
        signature_methods=_METHODS,
        digest_algorithms=_DIGESTS,
        verification_time=now,
    )
    try:
        results = XMLVerifier().verify(
            cast("etree._Element", root), x509_cert=certificate, expect_config=config
        )
    except (
        SignXMLException,
        etree.LxmlError,
        UnsupportedAlgorithm,
        ValueError,
        TypeError,
        KeyError,
        AttributeError,
    ) as error:
        raise _refusal(f"it does not hold: {error}") from error
    assert isinstance(results, list)
    return [cast("XmlElement", one.signed_xml) for one in results if one.signed_xml is not None]


def _freshness(protect: XmlElement) -> tuple[datetime, str]:
    """Time and nonce of a ReplayProtect."""
    texts = {one.tag: (one.text or "").strip() for one in protect}
    nonce = texts.get(f"{_DSP}nonce", "")
    if not 0 < len(nonce) <= _NONCE_MAX:
        raise _refusal("its nonce is missing or too long")
    try:
        return parse_instant(texts.get(f"{_DSP}timestamp", "")), nonce
    except RemoteProtocolError as error:
        raise _refusal(f"its time is unreadable: {error}") from error
