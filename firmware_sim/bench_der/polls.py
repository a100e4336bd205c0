"""Requests of many VENs as bytes, made as cheaply as can be: the client must not be the limit."""

import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from firmware_sim.bench_der.pki import Identity
from protocols.openadr.messages.payload import Payload
from protocols.openadr.quick_signature import QuickSigner
from protocols.openadr.signature import Signatory
from protocols.openadr.xml import encode

NONCE_BYTES: Final = 16
PATH: Final = "/OpenADR2/Simple/2.0b"
Writer = Callable[[Payload], bytes]
"""Writes a payload, signed or not."""


def writer(identity: Identity | None) -> Writer:
    """Make what writes the payloads of one VEN.

    Parameters
    ----------
    identity : Identity or None
        Signs with this; None writes without signature.
    """
    if identity is None:
        return encode
    key = load_pem_private_key(identity.key.read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey), "made by our own authority"
    certificate = x509.load_pem_x509_certificate(identity.certificate.read_bytes())
    signer = QuickSigner(Signatory(key=key, certificate=certificate))

    def signed(message: Payload) -> bytes:
        return signer.sign(message, now=datetime.now(UTC), nonce=secrets.token_hex(NONCE_BYTES))

    return signed


def post(host: str, service: str, body: bytes) -> bytes:
    """HTTP request of a payload to a service."""
    head = (
        f"POST {PATH}/{service} HTTP/1.1\r\nHost: {host}\r\n"
        f"Content-Type: application/xml\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
