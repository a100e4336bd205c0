"""Signed payloads: taken once, fresh and whole, and from the certificate that signed."""

import hashlib
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from protocols.openadr.codes import PayloadError
from protocols.openadr.identity import fingerprint, fingerprint_of_digest, same_fingerprint
from protocols.openadr.messages.registration import OadrPoll
from protocols.openadr.signature import NonceBook, PrivateKey, Signatory, sign, verify
from protocols.openadr.xml import decode, encode

_NOW = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)
_WINDOW = timedelta(minutes=5)
_MESSAGE = OadrPoll(ven_id='ven&<東京>"')


def _signatory(key: PrivateKey) -> Signatory:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ven")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime(2026, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2027, 1, 1, tzinfo=UTC))
        .sign(key, hashes.SHA256())
    )
    return Signatory(key=key, certificate=certificate)


_ELLIPTIC = _signatory(ec.generate_private_key(ec.SECP256R1()))
_RSA = _signatory(rsa.generate_private_key(65537, 2048))


def _signed(signatory: Signatory = _ELLIPTIC, nonce: str = "n1") -> bytes:
    return sign(_MESSAGE, signatory, now=_NOW, nonce=nonce)


@pytest.mark.parametrize("signatory", [_ELLIPTIC, _RSA], ids=["ecdsa", "rsa"])
def test_signed_payload_names_its_signer(signatory: Signatory) -> None:
    """If it fails, a message is attributed to a certificate that did not sign it."""
    taken = verify(_signed(signatory), now=_NOW, window=_WINDOW, seen=())
    der = signatory.certificate.public_bytes(Encoding.DER)
    assert taken.message == _MESSAGE
    assert same_fingerprint(taken.fingerprint, fingerprint(der).lower())
    assert (taken.signed_at, taken.nonce) == (_NOW, "n1")


def test_signed_payload_reads_as_plain_too() -> None:
    """If it fails, a peer that checks no signatures cannot read what we sign."""
    assert decode(_signed()) == _MESSAGE


def _tampered() -> dict[str, bytes]:
    good = _signed()
    start, end = good.index(b"<oadr:oadrSignedObject"), good.index(b"</oadr:oadrPayload>")
    signed = good[start:end]
    forged = signed.replace(b"ven&amp;", b"ven2")
    moved = good[:start] + forged + signed + good[end:]
    renamed = forged.replace(b'"oadrSignedObject"', b'"other"')
    signature = good[good.index(b"<ds:Signature") : start]
    return {
        "changed": good.replace(b"ven&amp;", b"ven2"),
        "unsigned": encode(_MESSAGE),
        "wrapped": moved,
        "two signatures": good[:start] + signature + good[start:],
        "other object": good[:start] + renamed + good[end:],
        "other time": good.replace(b"2026-11-23T06:00:00Z", b"2026-11-23T06:00:01Z"),
        "no certificate": good.replace(b"X509Certificate>", b"X509SKI>"),
        "garbage certificate": good.replace(b"X509Certificate>MI", b"X509Certificate>!!"),
        "not xml": good[:-30],
    }


@pytest.mark.parametrize("kind", _tampered())
def test_tampered_payload_is_refused(kind: str) -> None:
    """If it fails, someone between two parties dispatches a plant with our good name."""
    with pytest.raises(PayloadError):
        verify(_tampered()[kind], now=_NOW, window=_WINDOW, seen=())


def test_wrapped_copy_is_not_what_is_decoded() -> None:
    """If it fails, a forged object beside the signed one is obeyed."""
    good = _signed()
    start, end = good.index(b"<oadr:oadrSignedObject"), good.index(b"</oadr:oadrPayload>")
    forged = good[start:end].replace(b"ven&amp;", b"ven2").replace(b'"oadrSignedObject"', b'"x"')
    taken = verify(good[:start] + forged + good[start:], now=_NOW, window=_WINDOW, seen=())
    assert taken.message == _MESSAGE


def test_payload_is_taken_once_and_fresh() -> None:
    """If it fails, a recorded dispatch can be played again tomorrow."""
    book = NonceBook(_WINDOW)
    taken = verify(_signed(), now=_NOW, window=_WINDOW, seen=book)
    book.take(taken, _NOW)
    with pytest.raises(PayloadError, match="used before"):
        verify(_signed(), now=_NOW, window=_WINDOW, seen=book)
    for late in (timedelta(minutes=6), timedelta(minutes=-6)):
        with pytest.raises(PayloadError, match="not fresh"):
            verify(_signed(nonce="n2"), now=_NOW + late, window=_WINDOW, seen=book)


def test_nonce_book_forgets_what_is_stale_and_never_overflows() -> None:
    """If it fails, a long-lived server fills its memory, or takes a replay when it is full."""
    book = NonceBook(_WINDOW, most=2)
    for nonce in ("a", "b"):
        book.take(verify(_signed(nonce=nonce), now=_NOW, window=_WINDOW, seen=()), _NOW)
    assert "c" in book
    later = _NOW + timedelta(hours=1)
    book.take(verify(_signed(nonce="a"), now=_NOW, window=_WINDOW, seen=()), later)
    assert "c" not in book


def test_expired_certificate_is_refused() -> None:
    """If it fails, a key from a scrapped gateway still speaks."""
    late = datetime(2027, 6, 1, tzinfo=UTC)
    with pytest.raises(PayloadError, match="does not hold"):
        verify(sign(_MESSAGE, _ELLIPTIC, now=late, nonce="n"), now=late, window=_WINDOW, seen=())


def test_weak_key_is_refused() -> None:
    """If it fails, a key that anybody can break speaks for a VTN."""
    weak = _signatory(rsa.generate_private_key(65537, 1024))  # what is refused
    with pytest.raises(PayloadError, match="too weak"):
        verify(_signed(weak), now=_NOW, window=_WINDOW, seen=())


def test_fingerprint_is_the_end_of_the_digest() -> None:
    """If it fails, a peer that was given our fingerprint does not know us (worked example)."""
    der = b"certificate"
    assert fingerprint(der).replace(":", "").lower() == hashlib.sha256(der).hexdigest()[-20:]
    digest = bytes(22) + bytes.fromhex("5CCED45CC0C284291037")
    assert fingerprint_of_digest(digest) == "5C:CE:D4:5C:C0:C2:84:29:10:37"
