"""The quick signature against the thorough one: the same documents, the same refusals."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from firmware_sim.bench_der.pki import Authority
from protocols.openadr.codes import PayloadError
from protocols.openadr.messages.elements import EiResponse
from protocols.openadr.messages.registration import OadrPoll, OadrResponse
from protocols.openadr.quick_signature import QuickSigner, QuickVerifier
from protocols.openadr.signature import Signatory, SignedPayload, sign, verify

NOW = datetime.now(UTC).replace(microsecond=0)
WINDOW = timedelta(seconds=30)
MESSAGES = (
    OadrPoll(ven_id="ven-1"),
    OadrResponse(
        ei_response=EiResponse(
            response_code="200", response_description='a & <b> "c"\n蓄電池\t\'', request_id=""
        ),
        ven_id="ven]]>&amp;",
    ),
)
Verifier = Callable[..., SignedPayload]


@pytest.fixture(scope="module")
def signatory(tmp_path_factory: pytest.TempPathFactory) -> Signatory:
    """Somebody with a certificate."""
    identity = Authority(tmp_path_factory.mktemp("pki")).issue("party")
    key = load_pem_private_key(identity.key.read_bytes(), None)
    assert not isinstance(key, rsa.RSAPrivateKey)
    return Signatory(
        key=key,  # type: ignore[arg-type]
        certificate=x509.load_pem_x509_certificate(identity.certificate.read_bytes()),
    )


def both() -> tuple[Verifier, Verifier]:
    """Return the thorough and the quick way to verify."""
    return verify, QuickVerifier().verify


@pytest.mark.parametrize("message", MESSAGES)
def test_each_way_takes_what_the_other_signed(
    signatory: Signatory, message: OadrPoll | OadrResponse
) -> None:
    """If it fails, two programs of ours cannot talk to each other under high security."""
    signer = QuickSigner(signatory)
    documents = [
        sign(message, signatory, now=NOW, nonce="a1"),
        signer.sign(message, now=NOW, nonce="a1"),
        signer.sign(message, now=NOW, nonce="a1"),
    ]
    for document in documents:
        found = [way(document, now=NOW, window=WINDOW, seen=()) for way in both()]
        assert found[0] == found[1]
        assert found[0].message == message
        assert (found[0].nonce, found[0].signed_at) == ("a1", NOW)


def test_no_two_documents_share_a_nonce_or_a_time(signatory: Signatory) -> None:
    """If it fails, a recorded answer can be played to a VEN again."""
    signer = QuickSigner(signatory)
    one = signer.sign(MESSAGES[0], now=NOW, nonce="a1")
    other = signer.sign(MESSAGES[0], now=NOW + timedelta(seconds=1), nonce="a2")
    found = [verify(document, now=NOW, window=WINDOW, seen=()) for document in (one, other)]
    assert [entry.nonce for entry in found] == ["a1", "a2"]


def forged(document: bytes) -> dict[str, bytes]:
    """Documents that say something else than was signed."""
    poll = b"<oadr:oadrPoll"
    signature = document[document.index(b"<ds:Signature ") : document.index(b"</ds:Signature>")]
    return {
        "another payload": document.replace(b"ven-1", b"ven-2"),
        "another nonce": document.replace(b"<dsp:nonce>a1<", b"<dsp:nonce>a2<"),
        "another time": document.replace(b":timestamp>2", b":timestamp>3"),
        "another digest": document.replace(b"<ds:DigestValue>", b"<ds:DigestValue>AAAA", 1),
        "no signature": document.replace(signature + b"</ds:Signature>", b""),
        "two signatures": document.replace(
            b"</ds:Signature>", b"</ds:Signature>" + signature + b"</ds:Signature>"
        ),
        "other identifier": document.replace(b'"oadrSignedObject"', b'"other"'),
        "weak digest": document.replace(b"xmlenc#sha256", b"xmldsig#sha1"),
        "added element": document.replace(poll, b"<a/>" + poll),
        "cut": document[: len(document) // 2],
        "no XML": b"<!DOCTYPE a><a/>",
    }


def wrapped(document: bytes) -> bytes:
    """Make a document with a second, unsigned object beside the signed one."""
    begin = document.index(b"<oadr:oadrSignedObject")
    signed = document[begin : document.index(b"</oadr:oadrPayload>")]
    extra = signed.replace(b"ven-1", b"ven-2").replace(b'"oadrSignedObject"', b'"another"')
    return document.replace(b"</oadr:oadrPayload>", extra + b"</oadr:oadrPayload>")


def test_what_is_taken_is_what_was_signed(signatory: Signatory) -> None:
    """If it fails, an unsigned order that stands beside a signed one is carried out."""
    document = wrapped(QuickSigner(signatory).sign(MESSAGES[0], now=NOW, nonce="a1"))
    for way in both():
        found = (
            None if is_refused(way, document) else way(document, now=NOW, window=WINDOW, seen=())
        )
        assert found is None or found.message == MESSAGES[0]


def is_refused(way: Verifier, document: bytes) -> bool:
    """Whether a document is not taken."""
    try:
        way(document, now=NOW, window=WINDOW, seen=())
    except PayloadError:
        return True
    return False


def test_no_way_takes_what_was_not_signed(signatory: Signatory) -> None:
    """If it fails, somebody on the way can order another's load off."""
    quick = QuickSigner(signatory).sign(MESSAGES[0], now=NOW, nonce="a1")
    thorough = sign(MESSAGES[0], signatory, now=NOW, nonce="a1")
    for document in (quick, thorough):
        for what, changed in forged(document).items():
            assert changed != document, what
            for way in both():
                assert is_refused(way, changed), what


def test_a_stale_or_repeated_document_is_refused(signatory: Signatory) -> None:
    """If it fails, a recorded message can be played again."""
    document = QuickSigner(signatory).sign(MESSAGES[0], now=NOW, nonce="a1")
    for way in both():
        for now in (NOW - timedelta(seconds=31), NOW + timedelta(seconds=31)):
            with pytest.raises(PayloadError, match="fresh"):
                way(document, now=now, window=WINDOW, seen=())
        with pytest.raises(PayloadError, match="nonce"):
            way(document, now=NOW, window=WINDOW, seen=("a1",))


def test_an_expired_certificate_signs_nothing(signatory: Signatory, tmp_path: Path) -> None:
    """If it fails, a certificate that was to be replaced goes on to speak for a building."""
    del tmp_path
    later = NOW + timedelta(days=30)
    document = QuickSigner(signatory).sign(MESSAGES[0], now=later, nonce="a1")
    for way in both():
        with pytest.raises(PayloadError):
            way(document, now=later, window=WINDOW, seen=())
