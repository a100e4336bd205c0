"""The same signatures as :mod:`protocols.openadr.signature`, for a party with hundreds of peers.

Signing writes the canonical form itself, which is the form that is sent, so nothing is parsed or
canonicalised twice, and what is constant is digested once. A nonce and a time are new each time.
Verifying takes only the plain shape that VENs send: one signature of ECDSA P-256 and SHA-256
over oadrSignedObject and ReplayProtect, found by their place, never by an identifier. Whatever
has another shape, or does not hold, is left to the thorough path, which accepts or refuses it.

Notes
-----
OpenADR 2.0b profile, security, XML signatures; W3C XML Signature; Exclusive C14N 1.0.
"""

import binascii
import hashlib
import re
from base64 import b64decode, b64encode
from collections import OrderedDict
from collections.abc import Container
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree

from protocols.openadr.durations import format_instant, parse_instant
from protocols.openadr.identity import fingerprint
from protocols.openadr.messages.payload import Payload
from protocols.openadr.messages.registration import OadrPoll, OadrResponse
from protocols.openadr.parts import PREFIXES
from protocols.openadr.signature import Signatory, SignedPayload, verify
from protocols.openadr.xml import (
    PAYLOAD_TAG,
    SIGNED_OBJECT_ID,
    SIGNED_OBJECT_TAG,
    from_signed_object,
    to_element,
)
from protocols.sansio.xml import XmlElement, parse_xml
from protocols.vocabulary.errors import RemoteProtocolError

REMEMBERED_MAX = 20_000
"""Certificates and constant payloads that are kept ready."""
_DS_NAMESPACE = "http://www.w3.org/2000/09/xmldsig#"
_DS = f"{{{_DS_NAMESPACE}}}"
_DSP_NAMESPACE = "http://openadr.org/oadr-2.0b/2012/07/xmldsig-properties"
_DSP = f"{{{_DSP_NAMESPACE}}}"
_EXCLUSIVE = "http://www.w3.org/2001/10/xml-exc-c14n#"
_INCLUSIVE = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
_SHA256 = "http://www.w3.org/2001/04/xmlenc#sha256"
_ECDSA = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"
_RSA = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
_P256_BYTES = 32
_NONCE_MAX = 256
_PLAIN_NONCE = re.compile(r"[A-Za-z0-9-]{1,128}")
_IS_EXCLUSIVE = {_EXCLUSIVE: True, _INCLUSIVE: False}
_REFERENCE = (
    '<ds:Reference URI="#{uri}"><ds:Transforms><ds:Transform Algorithm="' + _EXCLUSIVE + '">'
    '</ds:Transform></ds:Transforms><ds:DigestMethod Algorithm="' + _SHA256 + '">'
    "</ds:DigestMethod><ds:DigestValue>{digest}</ds:DigestValue></ds:Reference>"
)
_SIGNED_INFO = (
    '<ds:SignedInfo xmlns:ds="' + _DS_NAMESPACE + '"><ds:CanonicalizationMethod Algorithm="'
    + _EXCLUSIVE + '"></ds:CanonicalizationMethod><ds:SignatureMethod Algorithm="{method}">'
    "</ds:SignatureMethod>{references}</ds:SignedInfo>"
)  # fmt: skip
_OBJECT = (
    '<ds:Object xmlns:ds="' + _DS_NAMESPACE + '" Id="prop"><ds:SignatureProperties>'
    '<ds:SignatureProperty Id="sigprop0" Target="#sigproptarget0"><dsp:ReplayProtect '
    'xmlns:dsp="' + _DSP_NAMESPACE + '"><dsp:timestamp>{at}</dsp:timestamp><dsp:nonce>{nonce}'
    "</dsp:nonce></dsp:ReplayProtect></ds:SignatureProperty></ds:SignatureProperties></ds:Object>"
)
_DOCUMENT = (
    '<?xml version="1.0" encoding="utf-8"?>\n<oadr:oadrPayload xmlns:oadr="' + PREFIXES["oadr"]
    + '"><ds:Signature xmlns:ds="' + _DS_NAMESPACE + '">{info}<ds:SignatureValue>{value}'
    "</ds:SignatureValue><ds:KeyInfo><ds:X509Data><ds:X509Certificate>{certificate}"
    "</ds:X509Certificate></ds:X509Data></ds:KeyInfo>{properties}</ds:Signature>"
)  # fmt: skip
_END = b"</oadr:oadrPayload>"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ready:
    """A payload in its canonical form, with its digest."""

    written: bytes
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Holder:
    """What is needed of a certificate that was read before."""

    key: ec.EllipticCurvePublicKey
    certificate_der: bytes
    fingerprint: str
    valid_from: datetime
    valid_until: datetime


class QuickSigner:
    """Signs for one party.

    Parameters
    ----------
    signatory : Signatory
        Who signs.
    """

    def __init__(self, signatory: Signatory) -> None:
        self._signatory = signatory
        self._certificate = b64encode(signatory.certificate.public_bytes(Encoding.DER)).decode()
        self._ready: OrderedDict[Payload, _Ready] = OrderedDict()
        elliptic = isinstance(signatory.key, ec.EllipticCurvePrivateKey)
        self._method = _ECDSA if elliptic else _RSA

    def sign(self, message: Payload, *, now: datetime, nonce: str) -> bytes:
        """Signed document of a payload.

        Parameters
        ----------
        message : Payload
            What to say.
        now : datetime
            Aware.
        nonce : str
            Letters and digits, new for each message.

        Raises
        ------
        LocalProtocolError
            If the payload cannot be written.
        """
        assert _PLAIN_NONCE.fullmatch(nonce), "a nonce that XML need not escape"
        ready = self._prepared(message)
        properties = _OBJECT.format(at=format_instant(now), nonce=nonce)
        info = _SIGNED_INFO.format(
            method=self._method,
            references=_REFERENCE.format(uri=SIGNED_OBJECT_ID, digest=ready.digest)
            + _REFERENCE.format(uri="prop", digest=_digest(properties.encode())),
        )
        head = _DOCUMENT.format(
            info=info,
            value=b64encode(self._signed(info.encode())).decode(),
            certificate=self._certificate,
            properties=properties,
        )
        return head.encode() + ready.written + _END

    def _signed(self, data: bytes) -> bytes:
        key = self._signatory.key
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            return key.sign(data, padding.PKCS1v15(), hashes.SHA256())
        size = (key.curve.key_size + 7) // 8
        r, s = decode_dss_signature(key.sign(data, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(size, "big") + s.to_bytes(size, "big")

    def _prepared(self, message: Payload) -> _Ready:
        """Canonical form; polls and plain answers are the same again and again."""
        constant = isinstance(message, OadrResponse | OadrPoll)
        ready = self._ready.get(message) if constant else None
        if ready is not None:
            return ready
        (signed,) = to_element(message)
        written = _canonical(signed, exclusive=True)
        ready = _Ready(written=written, digest=_digest(written))
        if constant:
            self._ready[message] = ready
            if len(self._ready) > REMEMBERED_MAX:
                self._ready.popitem(last=False)
        return ready


class QuickVerifier:
    """Verifies for one party; remembers certificates it has read."""

    def __init__(self) -> None:
        self._holders: OrderedDict[str, _Holder] = OrderedDict()

    def verify(
        self, data: bytes, *, now: datetime, window: timedelta, seen: Container[str]
    ) -> SignedPayload:
        """Payload of a signed document, as :func:`protocols.openadr.signature.verify`.

        Raises
        ------
        PayloadError
            If it is not signed, or the signature does not hold, is stale or is repeated.
        """
        try:
            quick = self._plain_shape(data, now)
        except _OtherShapeError:
            quick = None
        if quick is not None and abs(now - quick.signed_at) <= window and quick.nonce not in seen:
            return quick
        return verify(data, now=now, window=window, seen=seen)

    def _plain_shape(self, data: bytes, now: datetime) -> SignedPayload:
        """Payload, if it is signed in the plain shape and the signature holds."""
        try:
            root = parse_xml(data)
        except RemoteProtocolError as error:
            raise _OtherShapeError from error
        signature, signed = _inside(root, PAYLOAD_TAG, (f"{_DS}Signature", SIGNED_OBJECT_TAG))
        info, value, key_info, extra = _inside(
            signature,
            f"{_DS}Signature",
            (f"{_DS}SignedInfo", f"{_DS}SignatureValue", f"{_DS}KeyInfo", f"{_DS}Object"),
        )
        (x509_data,) = _inside(key_info, key_info.tag, (f"{_DS}X509Data",))
        (certificate,) = _inside(x509_data, x509_data.tag, (f"{_DS}X509Certificate",))
        holder = self._holder(certificate.text or "")
        if not holder.valid_from <= now <= holder.valid_until:
            raise _OtherShapeError
        canonical, method, first, second = _inside(
            info,
            info.tag,
            (
                f"{_DS}CanonicalizationMethod",
                f"{_DS}SignatureMethod",
                f"{_DS}Reference",
                f"{_DS}Reference",
            ),
        )
        if _algorithm(method) != _ECDSA:
            raise _OtherShapeError
        for reference, element in ((first, signed), (second, extra)):
            _check_reference(reference, element)
        _check_value(holder.key, _canonical(info, exclusive=_is_exclusive(canonical)), value)
        signed_at, nonce = _freshness(extra)
        return SignedPayload(
            message=from_signed_object(signed),
            fingerprint=holder.fingerprint,
            certificate_der=holder.certificate_der,
            signed_at=signed_at,
            nonce=nonce,
        )

    def _holder(self, text: str) -> _Holder:
        holder = self._holders.get(text)
        if holder is not None:
            return holder
        try:
            der = b64decode("".join(text.split()), validate=True)
            certificate = x509.load_der_x509_certificate(der)
            key = certificate.public_key()
        except (ValueError, binascii.Error, UnsupportedAlgorithm) as error:
            raise _OtherShapeError from error
        if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(
            key.curve, ec.SECP256R1
        ):
            raise _OtherShapeError
        holder = _Holder(
            key=key,
            certificate_der=der,
            fingerprint=fingerprint(der),
            valid_from=certificate.not_valid_before_utc,
            valid_until=certificate.not_valid_after_utc,
        )
        self._holders[text] = holder
        if len(self._holders) > REMEMBERED_MAX:
            self._holders.popitem(last=False)
        return holder


class _OtherShapeError(RemoteProtocolError):
    """Not the plain shape, or it does not hold: for the thorough path to judge."""


def _inside(element: XmlElement, name: str, children: tuple[str, ...]) -> tuple[XmlElement, ...]:
    """Children of an element that must be exactly these."""
    found = tuple(element)
    if element.tag != name or tuple(child.tag for child in found) != children:
        raise _OtherShapeError
    return found


def _algorithm(element: XmlElement) -> str:
    """Algorithm of an element that says nothing else."""
    if len(element) or len(element.attrib) != 1:
        raise _OtherShapeError
    return element.attrib.get("Algorithm", "")


def _is_exclusive(element: XmlElement) -> bool:
    exclusive = _IS_EXCLUSIVE.get(_algorithm(element))
    if exclusive is None:
        raise _OtherShapeError
    return exclusive


def _check_reference(reference: XmlElement, element: XmlElement) -> None:
    """Hold a reference to the element that stands at its place."""
    transforms, method, digest = _inside(
        reference,
        reference.tag,
        (f"{_DS}Transforms", f"{_DS}DigestMethod", f"{_DS}DigestValue"),
    )
    (transform,) = _inside(transforms, transforms.tag, (f"{_DS}Transform",))
    own = [value for name, value in element.attrib.items() if name.rpartition("}")[2] == "Id"]
    if _algorithm(method) != _SHA256 or [f"#{name}" for name in own] != [
        reference.attrib.get("URI")
    ]:
        raise _OtherShapeError
    written = _canonical(element, exclusive=_is_exclusive(transform))
    if _digest(written) != (digest.text or "").strip():
        raise _OtherShapeError


def _check_value(key: ec.EllipticCurvePublicKey, data: bytes, value: XmlElement) -> None:
    """Hold a signature to its key."""
    try:
        raw = b64decode("".join((value.text or "").split()), validate=True)
        if len(raw) != 2 * _P256_BYTES:
            raise _OtherShapeError
        r, s = (int.from_bytes(part, "big") for part in (raw[:_P256_BYTES], raw[_P256_BYTES:]))
        key.verify(encode_dss_signature(r, s), data, ec.ECDSA(hashes.SHA256()))
    except (InvalidSignature, ValueError, binascii.Error) as error:
        raise _OtherShapeError from error


def _freshness(extra: XmlElement) -> tuple[datetime, str]:
    """Time and nonce of the only ReplayProtect."""
    (properties,) = _inside(extra, extra.tag, (f"{_DS}SignatureProperties",))
    (property_,) = _inside(properties, properties.tag, (f"{_DS}SignatureProperty",))
    (protect,) = _inside(property_, property_.tag, (f"{_DSP}ReplayProtect",))
    at, nonce = _inside(protect, protect.tag, (f"{_DSP}timestamp", f"{_DSP}nonce"))
    text = (nonce.text or "").strip()
    if not 0 < len(text) <= _NONCE_MAX:
        raise _OtherShapeError
    try:
        return parse_instant(at.text or ""), text
    except RemoteProtocolError as error:
        raise _OtherShapeError from error


def _canonical(element: XmlElement, *, exclusive: bool) -> bytes:
    return cast(
        "bytes",
        etree.tostring(
            cast("etree._Element", element), method="c14n", exclusive=exclusive, with_comments=False
        ),
    )


def _digest(data: bytes) -> str:
    return b64encode(hashlib.sha256(data).digest()).decode()
