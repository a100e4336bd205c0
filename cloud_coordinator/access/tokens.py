"""Signed tokens of an identity provider: their signature, their claims, and nothing believed; pure.

Which algorithms are taken is decided here and in the provider's file, never by the token: each
key of the provider fits the algorithms of its own kind only, so a token cannot choose ``none``
or have a public key taken for a shared secret.

Notes
-----
RFC 7515 (compact form), RFC 7517 (keys), RFC 7518 section 3, RFC 7519 section 4, RFC 8037,
RFC 8725 (what to refuse).
"""

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from protocols.vocabulary.errors import AccessDeniedError

TOKEN_LENGTH_MAX: Final = 16_384
KEYS_MAX: Final = 32
LEEWAY_S: Final = 30.0
"""How far the provider's clock may be off."""
RSA_BITS_MIN: Final = 2_048
_P256_BYTES: Final = 32
_PARTS: Final = 3

PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey
Plain = str | int | float | bool | list["Plain"] | dict[str, "Plain"] | None
Claims = Mapping[str, Plain]

ALGORITHMS: Final[Mapping[str, type[PublicKey]]] = {
    "RS256": rsa.RSAPublicKey,
    "PS256": rsa.RSAPublicKey,
    "ES256": ec.EllipticCurvePublicKey,
    "EdDSA": ed25519.Ed25519PublicKey,
}
"""What can be verified, and with which kind of key alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderKey:
    """One public key of a provider.

    Attributes
    ----------
    key_id : str
        Its ``kid``; empty for none.
    algorithm : str
        The only one it is for; empty for any of its kind.
    public : public key
        RSA, EC on P-256, or Ed25519.
    """

    key_id: str
    algorithm: str
    public: PublicKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What a token must say.

    Attributes
    ----------
    issuer, audience : str
        ``iss`` exactly, and one of ``aud``.
    algorithms : frozenset of str
        Of ``ALGORITHMS``.
    parties : frozenset of str
        Programs the token may have been given to (``azp`` or ``client_id``); empty for any.
    """

    issuer: str
    audience: str
    algorithms: frozenset[str]
    parties: frozenset[str] = frozenset()


class UnknownKeyError(AccessDeniedError):
    """A token names a key that is not among those of the provider; there may be a new one."""


def read_keys(document: object) -> Sequence[ProviderKey]:
    """Read a JWK set; keys of other kinds and uses are passed over.

    Raises
    ------
    AccessDeniedError
        If it is no JWK set, or holds no key that can be used.
    """
    listed = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(listed, list):
        raise AccessDeniedError("keys: the provider's document holds no list of keys")
    read = (_read_key(one) for one in listed[:KEYS_MAX] if isinstance(one, dict))
    found = [one for one in read if one is not None]
    if not found:
        raise AccessDeniedError("keys: none of the provider's keys can be used")
    return found


def verified(
    token: str, keys: Sequence[ProviderKey], expected: Expected, *, now: datetime
) -> Claims:
    """Return the claims of a token that is right.

    Parameters
    ----------
    token : str
        JWS in compact form.
    keys : sequence of ProviderKey
        Of the provider.
    expected : Expected
        What it must say.
    now : datetime
        Aware UTC.

    Raises
    ------
    UnknownKeyError
        If its key is not known.
    AccessDeniedError
        With the cause, never with the token, if it proves nothing.
    """
    if len(token) > TOKEN_LENGTH_MAX:
        raise AccessDeniedError("token: is too long")
    parts = token.split(".")
    if len(parts) != _PARTS:
        raise AccessDeniedError("token: is no signed token in compact form")
    header, claims = _object(parts[0], "header"), _object(parts[1], "claims")
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in expected.algorithms:
        raise AccessDeniedError("token: its algorithm is not taken here")
    if "crit" in header:
        raise AccessDeniedError("token: demands an extension that is not known here")
    key = _chosen(header.get("kid"), algorithm, keys)
    signed = f"{parts[0]}.{parts[1]}".encode("ascii", "replace")
    if not _fits(key.public, algorithm, signed=signed, signature=_bytes(parts[2], "signature")):
        raise AccessDeniedError("token: its signature is wrong")
    _check(claims, expected, now.timestamp())
    return claims


def _check(claims: Claims, expected: Expected, now_s: float) -> None:
    """Hold the claims against what is expected; signature first, so that these are the issuer's."""
    if claims.get("iss") != expected.issuer:
        raise AccessDeniedError("token: is of another issuer")
    audience = claims.get("aud")
    meant = audience if isinstance(audience, list) else [audience]
    if expected.audience not in meant:
        raise AccessDeniedError("token: is for another audience")
    ends, begins = _moment(claims, "exp"), _moment(claims, "nbf")
    if ends is None:
        raise AccessDeniedError("token: never ends; such are not taken")
    if now_s >= ends + LEEWAY_S:
        raise AccessDeniedError("token: has expired")
    if begins is not None and now_s < begins - LEEWAY_S:
        raise AccessDeniedError("token: does not hold yet")
    issued = _moment(claims, "iat")
    if issued is not None and now_s < issued - LEEWAY_S:
        raise AccessDeniedError("token: was issued in the future")
    party = claims.get("azp", claims.get("client_id"))
    if expected.parties and party not in expected.parties:
        raise AccessDeniedError("token: was given to another program")


def _moment(claims: Claims, name: str) -> float | None:
    """Read a NumericDate."""
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 2.0**53:
        raise AccessDeniedError(f"token: {name} is no time")
    return float(value)


def _chosen(key_id: object, algorithm: str, keys: Sequence[ProviderKey]) -> ProviderKey:
    """Find the key by its id; without one there must be a single key that fits."""
    fitting = [
        one
        for one in keys
        if isinstance(one.public, ALGORITHMS[algorithm]) and one.algorithm in {"", algorithm}
    ]
    if key_id is not None:
        fitting = [one for one in fitting if one.key_id == key_id]
    if not fitting:
        raise UnknownKeyError("token: its key is not known; try again")
    if len(fitting) > 1:
        raise AccessDeniedError("token: does not say which of several keys it is of")
    return fitting[0]


def _fits(public: PublicKey, algorithm: str, *, signed: bytes, signature: bytes) -> bool:
    """Verify; the kind of key was matched to the algorithm before."""
    try:
        match public:
            case rsa.RSAPublicKey() if algorithm == "RS256":
                public.verify(signature, signed, padding.PKCS1v15(), SHA256())
            case rsa.RSAPublicKey():
                salted = padding.PSS(mgf=padding.MGF1(SHA256()), salt_length=SHA256.digest_size)
                public.verify(signature, signed, salted, SHA256())
            case ec.EllipticCurvePublicKey():
                if len(signature) != 2 * _P256_BYTES:
                    return False
                r, s = signature[:_P256_BYTES], signature[_P256_BYTES:]
                pair = encode_dss_signature(int.from_bytes(r), int.from_bytes(s))
                public.verify(pair, signed, ec.ECDSA(SHA256()))
            case ed25519.Ed25519PublicKey():
                public.verify(signature, signed)
    except InvalidSignature:
        return False
    return True


def _read_key(found: Mapping[str, object]) -> ProviderKey | None:
    """Read one key; None if it is of another kind, for another use, too short, or damaged."""
    if found.get("use", "sig") != "sig":
        return None
    operations = found.get("key_ops")
    if isinstance(operations, list) and "verify" not in operations:
        return None
    try:
        public = _public(found)
    except (AccessDeniedError, ValueError):
        return None
    algorithm = found.get("alg", "")
    if public is None or (algorithm and algorithm not in ALGORITHMS):
        return None
    return ProviderKey(key_id=str(found.get("kid", "")), algorithm=str(algorithm), public=public)


def _public(found: Mapping[str, object]) -> PublicKey | None:
    kind, curve = found.get("kty"), found.get("crv")
    if kind == "RSA":
        modulus, exponent = (int.from_bytes(_bytes(found.get(name), "key")) for name in "ne")
        key = rsa.RSAPublicNumbers(exponent, modulus).public_key()
        return key if key.key_size >= RSA_BITS_MIN else None
    if kind == "EC" and curve == "P-256":
        x, y = (int.from_bytes(_bytes(found.get(name), "key")) for name in "xy")
        return ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
    if kind == "OKP" and curve == "Ed25519":
        return ed25519.Ed25519PublicKey.from_public_bytes(_bytes(found.get("x"), "key"))
    return None


def _object(part: str, name: str) -> dict[str, Plain]:
    """Read a part that must be one JSON object without a member twice."""

    def once(pairs: list[tuple[str, Plain]]) -> dict[str, Plain]:
        members = dict(pairs)
        if len(members) != len(pairs):
            raise ValueError(name)
        return members

    try:
        found = json.loads(_bytes(part, name), object_pairs_hook=once)
    except (ValueError, RecursionError):
        raise AccessDeniedError(f"token: its {name} cannot be read") from None
    if not isinstance(found, dict):
        raise AccessDeniedError(f"token: its {name} cannot be read")
    return found


def _bytes(text: object, name: str) -> bytes:
    """Decode base64url without padding, as RFC 7515 writes it."""
    if not isinstance(text, str) or not text or "=" in text:
        raise AccessDeniedError(f"token: its {name} cannot be read")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise AccessDeniedError(f"token: its {name} cannot be read") from None
