"""NATS's own names of keys and signed claims, as much of them as admission needs.

An NKey is base32 of a kind byte, the Ed25519 public key and a CRC-16; claims are a JSON web
token signed by such a key.

Notes
-----
NATS documentation, "NKeys" and "JWTs"; ADR-26 (auth callout); CRC-16/XMODEM.
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from protocols.vocabulary.errors import RemoteProtocolError

ACCOUNT_KIND: Final = 0
_HEADER: Final = {"typ": "JWT", "alg": "ed25519-nkey"}
CLAIMS_BYTES_MAX: Final = 131_072


def account_name(key: Ed25519PrivateKey) -> str:
    """Name of an account key: ``A...``, 56 characters."""
    raw = bytes((ACCOUNT_KIND,)) + key.public_key().public_bytes_raw()
    return base64.b32encode(raw + binascii.crc_hqx(raw, 0).to_bytes(2, "little")).decode()


def signed_claims(claims: dict[str, object], key: Ed25519PrivateKey) -> str:
    """Make a token of claims; issuer and identifier are added."""
    body = {**claims, "iss": account_name(key), "jti": ""}
    digest = hashlib.sha512(json.dumps(body, sort_keys=True).encode()).digest()[:32]
    body["jti"] = base64.b32encode(digest).decode().rstrip("=")
    parts = f"{_part(_HEADER)}.{_part(body)}"
    return f"{parts}.{_text(key.sign(parts.encode()))}"


def read_claims(token: bytes) -> dict[str, object]:
    """Claims of a token of our own server, which reached us on a subject only it may use.

    Raises
    ------
    RemoteProtocolError
        If it is none.
    """
    try:
        middle = token[:CLAIMS_BYTES_MAX].split(b".")[1]
        claims = json.loads(base64.urlsafe_b64decode(middle + b"=" * (-len(middle) % 4)))
    except (ValueError, IndexError, RecursionError) as error:
        raise RemoteProtocolError(f"claims: not a token: {error}") from None
    if not isinstance(claims, dict):
        raise RemoteProtocolError("claims: not an object")
    return claims


def _part(value: Mapping[str, object]) -> str:
    return _text(json.dumps(value, sort_keys=True, separators=(",", ":")).encode())


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
