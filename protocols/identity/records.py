"""A signed record: JSON that a gateway vouches for with its Ed25519 key, in one document.

The document is ``{"record": ..., "key": hex, "signature": hex}``; what is signed is the record's
own text with sorted keys and no blanks, so any JSON library can write it down again. Whoever
reads it compares the key with the one in the gateway's certificate.
"""

import json
from collections.abc import Mapping
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

from protocols.vocabulary.errors import RemoteProtocolError

RECORD_BYTES_MAX: Final = 262_144
_DOMAIN: Final = b"vpp-record-1\0"
"""Begins what is signed, so that no signature of ours for another purpose fits here."""


def signed_record(record: Mapping[str, object], key: Ed25519PrivateKey) -> bytes:
    """Sign a record.

    Parameters
    ----------
    record : mapping
        Of JSON's own types.
    key : Ed25519PrivateKey
        The gateway's key of receipts.

    Returns
    -------
    bytes
        The document, for a file or a request.
    """
    signature = key.sign(_DOMAIN + _canonical(record))
    document = {
        "record": record,
        "key": key.public_key().public_bytes_raw().hex(),
        "signature": signature.hex(),
    }
    return json.dumps(document, ensure_ascii=False, indent=1).encode()


def read_record(data: bytes, key: bytes) -> Mapping[str, object]:
    """Return the record of a document that a gateway signed.

    Parameters
    ----------
    data : bytes
        The document.
    key : bytes
        Ed25519 public key in the gateway's certificate.

    Raises
    ------
    RemoteProtocolError
        If it is no such document, of another key, or was changed.
    """
    if len(data) > RECORD_BYTES_MAX:
        raise RemoteProtocolError(f"record: is longer than {RECORD_BYTES_MAX} bytes")
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        document = None
    record = document.get("record") if isinstance(document, dict) else None
    if not isinstance(document, dict) or not isinstance(record, dict):
        raise RemoteProtocolError("record: is not a signed record")
    if document.get("key") != key.hex():
        raise RemoteProtocolError("record: is signed by another key than the certificate's")
    try:
        signature = bytes.fromhex(str(document.get("signature")))
        Ed25519PublicKey.from_public_bytes(key).verify(signature, _DOMAIN + _canonical(record))
    except (ValueError, InvalidSignature, RecursionError):
        raise RemoteProtocolError("record: was changed after it was signed") from None
    return record


def _canonical(record: Mapping[str, object]) -> bytes:
    text = json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return text.encode()
