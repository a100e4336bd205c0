"""Tokens of an identity provider: taken where all is right, refused where one thing is not."""

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from cloud_coordinator.access.grants import Grant, authority_of
from cloud_coordinator.access.permissions import Role
from cloud_coordinator.access.scope import EVERYWHERE, parse_scope
from cloud_coordinator.access.tokens import Expected, UnknownKeyError, read_keys, verified
from protocols.vocabulary.errors import AccessDeniedError

NOW = datetime(2026, 7, 22, 1, 0, tzinfo=UTC)
NOW_S = int(NOW.timestamp())
RSA = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
EC = ec.generate_private_key(ec.SECP256R1())
ED = ed25519.Ed25519PrivateKey.generate()
EXPECTED = Expected(
    issuer="https://id.example.jp",
    audience="vpp",
    algorithms=frozenset({"RS256", "PS256", "ES256", "EdDSA"}),
)
CLAIMS: dict[str, Any] = {
    "iss": "https://id.example.jp",
    "aud": "vpp",
    "sub": "4711",
    "exp": NOW_S + 300,
    "nbf": NOW_S - 10,
    "iat": NOW_S - 10,
    "azp": "console",
    "realm_access": {"roles": ["vpp-operators", "staff"]},
    "preferred_username": "hana",
}


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def number(value: int) -> str:
    return b64(value.to_bytes((value.bit_length() + 7) // 8))


def key_set() -> dict[str, Any]:
    rsa_numbers, ec_numbers = RSA.public_key().public_numbers(), EC.public_key().public_numbers()
    return {
        "keys": [
            {"kty": "RSA", "kid": "r", "n": number(rsa_numbers.n), "e": number(rsa_numbers.e)},
            {
                "kty": "EC",
                "crv": "P-256",
                "kid": "e",
                "use": "sig",
                "x": b64(ec_numbers.x.to_bytes(32)),
                "y": b64(ec_numbers.y.to_bytes(32)),
            },
            {
                "kty": "OKP",
                "crv": "Ed25519",
                "kid": "d",
                "x": b64(ED.public_key().public_bytes_raw()),
            },
            {"kty": "RSA", "kid": "for-encryption", "use": "enc", "n": "AQ", "e": "AQAB"},
            {"kty": "oct", "kid": "shared", "k": "AAAA"},
            {"kty": "EC", "crv": "P-256", "kid": "damaged", "x": "AQ", "y": "AQ"},
        ]
    }


KEYS = read_keys(key_set())


def sign(algorithm: str, signed: bytes) -> bytes:
    match algorithm:
        case "RS256":
            return RSA.sign(signed, padding.PKCS1v15(), SHA256())
        case "PS256":
            return RSA.sign(signed, padding.PSS(padding.MGF1(SHA256()), 32), SHA256())
        case "ES256":
            r, s = decode_dss_signature(EC.sign(signed, ec.ECDSA(SHA256())))
            return r.to_bytes(32) + s.to_bytes(32)
    return ED.sign(signed)


KID = {"RS256": "r", "PS256": "r", "ES256": "e", "EdDSA": "d"}


def token(algorithm: str = "ES256", header: dict[str, Any] | None = None, **changes: Any) -> str:
    claims = {name: value for name, value in {**CLAIMS, **changes}.items() if value is not None}
    head = {"alg": algorithm, "kid": KID[algorithm], "typ": "JWT", **(header or {})}
    head = {name: value for name, value in head.items() if value is not None}
    signed = f"{b64(json.dumps(head).encode())}.{b64(json.dumps(claims).encode())}"
    return f"{signed}.{b64(sign(algorithm, signed.encode()))}"


@pytest.mark.parametrize("algorithm", sorted(KID))
def test_a_right_token_is_taken(algorithm: str) -> None:
    """If it fails, nobody of the company's directory gets in."""
    assert verified(token(algorithm), KEYS, EXPECTED, now=NOW)["sub"] == "4711"


TWICE = b'{"alg":"none","alg":"ES256"}'
WRONG: dict[str, tuple[str, str]] = {
    "issuer": (token(iss="https://id.example.jp/"), "issuer"),
    "audience": (token(aud=["other"]), "audience"),
    "no audience": (token(aud=None), "audience"),
    "expired": (token(exp=NOW_S - 31), "expired"),
    "never ends": (token(exp=None), "never ends"),
    "ends in words": (token(exp="tomorrow"), "no time"),
    "ends at infinity": (token(exp=float("inf")), "no time"),
    "ends true": (token(exp=True), "no time"),
    "not yet": (token(nbf=NOW_S + 60), "not hold yet"),
    "from the future": (token(iat=NOW_S + 60), "future"),
    "other key": (token(header={"kid": "r"}), "not known"),
    "unknown key": (token(header={"kid": "x"}), "not known"),
    "damaged key": (token(header={"kid": "damaged"}), "not known"),
    "other algorithm": (token("PS256", header={"alg": "RS256"}), "signature"),
    "none": (token(header={"alg": "none"}), "algorithm"),
    "shared secret": (token(header={"alg": "HS256", "kid": "r"}), "algorithm"),
    "critical": (token(header={"crit": ["exp"]}), "extension"),
    "two parts": (token().rpartition(".")[0], "compact form"),
    "no signature": (token().rpartition(".")[0] + ".", "cannot be read"),
    "empty": ("", "compact form"),
    "long": ("a" * 20_000, "too long"),
    "not base64": ("!.!.!", "cannot be read"),
    "no object": (f"{b64(b'[]')}.{b64(b'{}')}.{b64(b'x')}", "cannot be read"),
    "deep": (f"{b64(b'[' * 9000)}.{b64(b'{}')}.{b64(b'x')}", "cannot be read"),
    "member twice": (
        f"{b64(TWICE)}.{b64(b'{}')}.{b64(b'x')}",
        "cannot be read",
    ),
    "not ascii": (token() + "é", "cannot be read"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_token_proves_nothing_and_is_not_repeated(name: str) -> None:
    """If it fails, somebody makes a token for himself, or reads one of others in our log."""
    text, cause = WRONG[name]
    with pytest.raises(AccessDeniedError, match=cause) as caught:
        verified(text, KEYS, EXPECTED, now=NOW)
    assert not text or text[:30] not in str(caught.value)


def test_every_changed_letter_of_a_token_is_found() -> None:
    """If it fails, a token can be given another name or another end."""
    text = token()
    for at in range(0, len(text), 7):
        changed = text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1 :]
        if changed.rpartition(".")[2][-1:] != text[-1:]:
            continue  # the last letter holds spare bits
        with pytest.raises(AccessDeniedError):
            verified(changed, KEYS, EXPECTED, now=NOW)


def test_parties_are_those_that_were_named() -> None:
    """If it fails, a token for the canteen's web page commands the fleet."""
    named = Expected(
        issuer=EXPECTED.issuer,
        audience="vpp",
        algorithms=EXPECTED.algorithms,
        parties=frozenset({"console"}),
    )
    assert verified(token(), KEYS, named, now=NOW)
    with pytest.raises(AccessDeniedError, match="another program"):
        verified(token(azp="canteen"), KEYS, named, now=NOW)
    only = Expected(issuer=EXPECTED.issuer, audience="vpp", algorithms=frozenset({"RS256"}))
    with pytest.raises(AccessDeniedError, match="algorithm"):
        verified(token(), KEYS, only, now=NOW)
    with pytest.raises(UnknownKeyError):
        verified(token(), [], EXPECTED, now=NOW)


def test_the_first_grant_that_fits_counts_alone() -> None:
    """If it fails, roles of one grant and the scope of another add up to more than either."""
    grants = [
        Grant(
            claim="realm_access.roles",
            value="vpp-operators",
            roles=frozenset({Role.OPERATOR}),
            scope=parse_scope("area:tokyo"),
        ),
        Grant(
            claim="preferred_username",
            value="hana",
            roles=frozenset({Role.AUDITOR}),
            scope=EVERYWHERE,
        ),
    ]
    found = authority_of(CLAIMS, grants, person_claim="preferred_username")
    assert (found.roles, found.scope.text()) == (frozenset({Role.OPERATOR}), "area:tokyo")
    assert (found.subject, found.person) == ("oidc:4711", "user:hana")
    program = {**CLAIMS, "realm_access": "x", "preferred_username": None}
    with pytest.raises(AccessDeniedError, match="nothing is granted"):
        authority_of(program, grants, person_claim="preferred_username")
    with pytest.raises(AccessDeniedError, match="no subject"):
        authority_of({**CLAIMS, "sub": ""}, grants, person_claim="")


@pytest.mark.parametrize("document", [None, [], {}, {"keys": {}}, {"keys": [1, {"kty": "RSA"}]}])
def test_a_document_without_keys_is_refused(document: object) -> None:
    """If it fails, a provider's fault lets everybody in, or stops the coordinator."""
    with pytest.raises(AccessDeniedError, match="keys"):
        read_keys(document)
